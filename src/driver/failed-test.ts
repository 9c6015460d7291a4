import { gatherEvidence } from './evidence.ts'
import type { Machine } from './machine.ts'
import { OwnTerminal } from './terminal.ts'
import { say } from './say.ts'

/** The environment variable that asks for a shell in the machine of a test that has failed. */
export const SHELL_ON_FAILURE = 'LOWERDIR_SHELL_ON_FAILURE'

/** Whether it does. */
export function isShellWanted(): boolean {
  return (process.env[SHELL_ON_FAILURE] ?? '') !== ''
}

/** A test that has failed, and why. */
export interface FailedTest {
  readonly name: string
  readonly message: string
}

/**
 * Does with a machine what is to be done while it is still there, when its test has failed: it is asked for what it
 * knows, and whoever wants to look gets a shell in it.
 *
 * @returns the paths of its artifacts.
 */
export async function examine(machine: Machine, test: FailedTest): Promise<string[]> {
  machine.calm()
  const artifacts = await gatherEvidence(machine)
  if (isShellWanted() && machine.isUp) {
    shells = shells.then(() => giveShell(machine, test))
    await shells
  }
  return artifacts
}

/** One after the other: there is one terminal, and tests may fail at the same time. */
let shells: Promise<void> = Promise.resolve()

async function giveShell(machine: Machine, { name, message }: FailedTest): Promise<void> {
  try {
    const why = message.trimEnd().replaceAll(/^/gm, '  ')
    tell(`lowerdir: "${name}" has failed, and its machine waits for you:\n${why}\n`)
    await machine.shellInteract()
  } catch (error) {
    say(`"${name}" has failed: ${error instanceof Error ? error.message : String(error)}`)
  }
}

function tell(text: string): void {
  using terminal = new OwnTerminal('A shell on failure')
  terminal.output.write(text)
}
