import { mountedScript, runScript } from './script.ts'
import type { Portion, Workload } from './workload.ts'

/** The protocol of a peer's client. */
export type FileProtocol = '9p' | 'fuse'

/** The number of requests of each kind: by 9P's type byte, or FUSE's opcode. */
export type Counts = ReadonlyMap<number, number>

const TRACING = '/run/bench-tracing'

/**
 * The tracepoint that a guest's kernel passes with each request, the fields for the client and the kind of the
 * request, and the kind with which every mount begins (include/trace/events/9p.h; fs/fuse/fuse_trace.h, since
 * Linux 6.11).
 */
const tracepoints: Readonly<
  Record<FileProtocol, { readonly event: string; readonly keys: string; readonly first: number }>
> = {
  '9p': { event: '9p/9p_client_req', keys: 'clnt,type', first: 100 },
  fuse: { event: 'fuse/fuse_request_send', keys: 'connection,opcode', first: 26 },
}

/** The beginning of a histogram (Documentation/trace/histogram.rst), and one of its rows. */
const BEGINNING = '# event histogram'
const ROW = /\{ \w+: *(\d+), \w+: *(\d+) *\} hitcount: *(\d+)/g

/**
 * A script for a guest that runs a workload as it is measured, while the guest's kernel counts the client's requests.
 * That works with every server. A kernel without the tracepoint counts none.
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

/** The requests of each run, from the output of the script; none where they could not be counted. */
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

/** The number of all requests. */
export function total(requests: Counts): number {
  let sum = 0
  for (const count of requests.values()) sum += count
  return sum
}

/** The counts in a histogram of the mount that was made since the histogram was set up, without other mounts. */
function countsOfMount(histogram: string, first: number): Counts {
  const byClient = new Map<string, Map<number, number>>()
  for (const [, client = '', kind, count] of histogram.matchAll(ROW)) {
    const counts = byClient.get(client) ?? new Map<number, number>()
    counts.set(Number(kind), Number(count))
    byClient.set(client, counts)
  }
  return [...byClient.values()].find((counts) => counts.has(first)) ?? new Map()
}
