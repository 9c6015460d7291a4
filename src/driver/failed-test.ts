import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { shellInteract } from './interact.ts'
import { keepJournal } from './keep-journal.ts'
import type { RunningGuest } from './running-guest.ts'
import { OwnTerminal, say } from './terminal.ts'
import type { FailedTest } from './test-owner.ts'
import { messageOf } from '../util/error.ts'
import { printable } from '../util/printable.ts'

/** The environment variable that asks for a shell in the machine of a failed test. */
export const SHELL_ON_FAILURE = 'LOWERDIR_SHELL_ON_FAILURE'

/** Whether the variable is set. */
export function isShellWanted(): boolean {
  return (process.env[SHELL_ON_FAILURE] ?? '') !== ''
}

/** How long QEMU may take to draw the screen of a machine with problems, in seconds. */
const SCREEN_TIMEOUT = 30

/** How long a machine with problems may take to give its journal, in seconds. */
const JOURNAL_TIMEOUT = 60

/**
 * Collects what explains a failed test, while its machine still runs: the screen and the journal go to the artifacts.
 * Then it gives the person at the terminal a shell in the machine, if {@link SHELL_ON_FAILURE} asks for it.
 *
 * @returns the paths of all artifacts of the machine.
 */
export async function examine(guest: RunningGuest, test: FailedTest): Promise<string[]> {
  guest.calm()
  const artifacts = await gatherEvidence(guest)
  if (isShellWanted() && guest.isUp) {
    shells = shells.then(() => giveShell(guest, test))
    await shells
  }
  return artifacts
}

/**
 * Puts screen and journal into the machine's folder of artifacts. Events, console and QEMU's command line are there
 * already. An error becomes a note of the record, so that it does not hide the test's own failure.
 */
async function gatherEvidence(guest: RunningGuest): Promise<string[]> {
  const folder = guest.artifacts
  if (folder === undefined) return []
  const attempt = async (what: string, action: () => Promise<unknown>): Promise<void> => {
    try {
      await action()
    } catch (error) {
      const why = messageOf(error)
      guest.recorder.event({ kind: 'note', text: `${what} could not be kept: ${why}` })
    }
  }
  if (guest.isUp)
    await attempt('the screen', () =>
      guest.screen.screenshot(undefined, { timeout: SCREEN_TIMEOUT }),
    )
  if (guest.isUp && guest.init === 'systemd') {
    await attempt('the journal', () => keepJournal(guest, folder, { timeout: JOURNAL_TIMEOUT }))
  }
  return readdirSync(folder).map((name) => join(folder, name))
}

/** Shells come one after the other: there is one terminal, and several tests may fail at the same time. */
let shells: Promise<void> = Promise.resolve()

async function giveShell(guest: RunningGuest, { name, message }: FailedTest): Promise<void> {
  try {
    const why = message.trimEnd().replaceAll(/^/gm, '  ')
    tell(printable(`lowerdir: "${name}" has failed, and its machine waits for you:\n${why}\n`))
    await shellInteract(guest)
  } catch (error) {
    say(`"${name}" has failed: ${messageOf(error)}`)
  }
}

function tell(text: string): void {
  using terminal = new OwnTerminal('A shell on failure')
  terminal.output.write(text)
}
