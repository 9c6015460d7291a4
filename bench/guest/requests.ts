import { mountedScript, runScript } from './script.ts'
import type { Portion, Workload } from './workload.ts'

/** What a peer's client speaks. */
export type FileProtocol = '9p' | 'fuse'

/** How many requests there were of each kind: by 9P's type byte, or FUSE's opcode. */
export type Counts = ReadonlyMap<number, number>

const TRACING = '/run/bench-tracing'

/**
 * The tracepoint at which a guest's kernel shows each request, whose it is and of which kind, and the kind
 * with which every mount begins (include/trace/events/9p.h; fs/fuse/fuse_trace.h, since Linux 6.11).
 */
const tracepoints: Readonly<
  Record<FileProtocol, { readonly event: string; readonly keys: string; readonly first: number }>
> = {
  '9p': { event: '9p/9p_client_req', keys: 'clnt,type', first: 100 },
  fuse: { event: 'fuse/fuse_request_send', keys: 'connection,opcode', first: 26 },
}

/** How a histogram begins (Documentation/trace/histogram.rst), and one of its rows. */
const BEGINNING = '# event histogram'
const ROW = /\{ \w+: *(\d+), \w+: *(\d+) *\} hitcount: *(\d+)/g

/**
 * A script for a guest that runs a workload as it is measured, and lets the guest's kernel count its requests:
 * whoever serves them, it is the client who knows. A kernel without the tracepoint counts none.
 */
export function countingScript(
  protocol: FileProtocol,
  mount: string,
  workload: Workload,
  portion: Portion,
  runs: number,
): string {
  const { event, keys } = tracepoints[protocol]
  const folder = `${TRACING}/events/${event}`
  return `set -e
mkdir -p ${TRACING}
[ -d ${TRACING}/events ] || mount -t tracefs tracefs ${TRACING}
if [ -d ${folder} ]; then
  echo 'hist:keys=${keys}' >${folder}/trigger
  trap "echo '!hist:keys=${keys}' >${folder}/trigger" EXIT
fi
(
${mountedScript(mount, runScript(workload, portion, runs, `cat ${folder}/hist || :`))}
)
`
}

/** The requests of each run, from all that the script has printed; none where they could not be counted. */
export function countsOf(protocol: FileProtocol, output: string): Counts[] {
  const snapshots = output
    .split(BEGINNING)
    .slice(1)
    .map((text) => countsOfMount(text, tracepoints[protocol].first))
  return snapshots.flatMap((before, i) => {
    const after = snapshots[i + 1]
    if (i % 2 === 1 || after === undefined) return []
    return [new Map([...after].map(([kind, count]) => [kind, count - (before.get(kind) ?? 0)]))]
  })
}

/** How many requests that is. */
export function total(requests: Counts): number {
  let sum = 0
  for (const count of requests.values()) sum += count
  return sum
}

/** What a histogram says of the mount that has begun since it was set up, and not of others. */
function countsOfMount(histogram: string, first: number): Counts {
  const byClient = new Map<string, Map<number, number>>()
  for (const [, client = '', kind, count] of histogram.matchAll(ROW)) {
    const counts = byClient.get(client) ?? new Map<number, number>()
    counts.set(Number(kind), Number(count))
    byClient.set(client, counts)
  }
  return [...byClient.values()].find((counts) => counts.has(first)) ?? new Map()
}
