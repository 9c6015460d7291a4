import { quote } from '../../src/util/shell.ts'
import type { Portion, Workload } from './workload.ts'

/** Where a peer is mounted while it is measured. */
const MOUNT_POINT = '/run/bench'

/** How long nothing happens before and after what counts, for the host to read its clocks, in seconds. */
const PAUSE = 0.1

/** How the lines begin that a script says how far it is with. */
const START = 'bench: start '
const END = 'bench: end '

/** git asks nobody who owns what it looks at, and leaves its index as it is. */
const ENVIRONMENT = `export GIT_OPTIONAL_LOCKS=0 GIT_CONFIG_COUNT=1
export GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*'`

/**
 * A script for bash that runs a workload in a tree several times in a row.
 *
 * It says when it starts and ends, and pauses there. The time between is taken by the clock of where the
 * script runs: bash has it without starting a program.
 *
 * @param watch a command for before each start and after each end.
 */
export function runScript(workload: Workload, portion: Portion, runs: number, watch = ':'): string {
  const { prepare, run, seconds } = workload
  const output = seconds === undefined ? '/dev/null' : '&1'
  return `set -eu
${ENVIRONMENT}
for ((run = 0; run < ${runs}; run++)); do
  ${prepare?.(portion) ?? ''}
  ${watch}
  echo ${quote(START)}
  sleep ${PAUSE}
  from=$EPOCHREALTIME
  { ${run(portion)}
  } >${output}
  to=$EPOCHREALTIME
  echo ${quote(END)}$((\${to/./} - \${from/./}))
  sleep ${PAUSE}
  ${watch}
done
`
}

/**
 * The script around it for a guest: mounts the tree, so that nothing of it is known yet, and lets go of it
 * again. Other file systems keep what they have in memory: the programs are not what is measured.
 */
export function mountedScript(mount: string, script: string): string {
  return `set -e
mkdir -p ${MOUNT_POINT}
${mount} ${MOUNT_POINT}
trap 'cd /; umount ${MOUNT_POINT}' EXIT
cd ${MOUNT_POINT}
${script}`
}

/** What a line of a script's output says about its progress. */
export function progress(line: string): 'start' | 'end' | undefined {
  if (line.startsWith(START)) return 'start'
  return line.startsWith(END) ? 'end' : undefined
}

/** How long a run took, in seconds. */
export interface Duration {
  /** What counts: as the program says, or all of it. */
  readonly seconds: number
  /** All of it. */
  readonly elapsed: number
}

/**
 * How long each run took, from all that a script has printed.
 *
 * @throws Error when there are not as many as there should be.
 */
export function durationsOf(workload: Workload, output: string, runs: number): Duration[] {
  const parts = output.split(START).slice(1)
  if (parts.length !== runs) throw new Error(`${parts.length} runs instead of ${runs}`)
  return parts.map((part) => {
    const [said = '', microseconds = ''] = part.split(END)
    const elapsed = Number.parseInt(microseconds, 10) / 1e6
    return { seconds: workload.seconds?.(said) ?? elapsed, elapsed }
  })
}
