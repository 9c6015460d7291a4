import { quote } from '../../src/util/shell.ts'
import type { Portion, Workload } from './workload.ts'

/** Where a peer is mounted while it is measured. */
const MOUNT_POINT = '/run/bench'

/** A pause before and after what is measured, in which the host reads CPU times, in seconds. */
const PAUSE = 0.1

/** The beginnings of the lines that report a script's progress. */
const START = 'bench: start '
const END = 'bench: end '

/** git does not check who owns the repository, and does not update its index. */
const ENVIRONMENT = `export GIT_OPTIONAL_LOCKS=0 GIT_CONFIG_COUNT=1
export GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*'`

/**
 * A script for bash that runs a workload in a tree several times in a row.
 *
 * It prints a line when a run starts and ends, and pauses there. The time between is by the clock of the
 * machine that runs the script; bash reads it without starting a program.
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
 * Wraps a script for a guest: mounts the tree, so that nothing of it is cached, and unmounts it at the end.
 * Other file systems keep their caches, so that the start of programs is not measured.
 */
export function mountedScript(mount: string, script: string): string {
  return `set -e
mkdir -p ${MOUNT_POINT}
${mount} ${MOUNT_POINT}
trap 'cd /; umount ${MOUNT_POINT}' EXIT
cd ${MOUNT_POINT}
${script}`
}

/** The progress that a line of a script's output reports, if it does. */
export function progress(line: string): 'start' | 'end' | undefined {
  if (line.startsWith(START)) return 'start'
  return line.startsWith(END) ? 'end' : undefined
}

/** How long a run took, in seconds. */
export interface Duration {
  /** The time that counts: as the program reports it, or the elapsed time. */
  readonly seconds: number
  /** The elapsed time. */
  readonly elapsed: number
}

/**
 * How long each run took, from the output of a script.
 *
 * @throws Error when the output does not have so many runs.
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
