import { existsSync } from 'node:fs'

const SETPRIV = '/usr/bin/setpriv'

/**
 * A command line whose process the kernel ends when this process dies, however that happens (PR_SET_PDEATHSIG, set by
 * util-linux's setpriv). Where that is missing it is the command line as it is.
 */
export function boundCommand(
  command: string,
  args: readonly string[],
): [command: string, args: readonly string[]] {
  if (!existsSync(SETPRIV)) return [command, args]
  return [SETPRIV, ['--pdeathsig', 'KILL', '--', command, ...args]]
}
