import { readlinkSync } from 'node:fs'
import { isatty } from 'node:tty'
import { SHELL_ON_FAILURE } from '../driver/failed-test.ts'
import { TERMINAL } from '../driver/terminal.ts'
import { UserError } from './user-error.ts'

/**
 * What the process of a file of tests needs in its environment to give a shell where a test has failed. It is in a
 * session of its own, in which /dev/tty is nothing, so it is told where our terminal is.
 *
 * @throws UserError when we have none.
 */
export function shellEnvironment(): Readonly<Record<string, string>> {
  const descriptor = [0, 1, 2].find((each) => isatty(each))
  if (descriptor === undefined) {
    throw new UserError(
      '--shell-on-failure takes a terminal, and there is none: standard input, output and error all lead elsewhere.',
    )
  }
  return { [SHELL_ON_FAILURE]: '1', [TERMINAL]: readlinkSync(`/proc/self/fd/${descriptor}`) }
}
