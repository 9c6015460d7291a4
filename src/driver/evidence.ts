import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Machine } from './machine.ts'

/** How long a machine that is in trouble may take to tell what it knows, in seconds. */
const PATIENCE = 60

/** Lets journald take what it has been told last, unless it is in trouble itself. */
const SYNC = 'timeout 20 journalctl --sync 2>/dev/null'

/**
 * Puts into the machine's folder of artifacts what it can still say for itself: its screen, and systemd's journal.
 * Events, console and QEMU's command line are there already.
 *
 * @returns the paths of all that is there. Whatever goes wrong is a note of the record, and no more.
 */
export async function gatherEvidence(machine: Machine): Promise<string[]> {
  const folder = machine.artifacts
  if (folder === undefined) return []
  const attempt = async (what: string, action: () => Promise<unknown>): Promise<void> => {
    try {
      await action()
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      machine.recorder.event({ kind: 'note', text: `${what} could not be kept: ${why}` })
    }
  }
  if (machine.isUp) await attempt('the screen', () => machine.screenshot())
  if (machine.isUp && machine.init === 'systemd') {
    await attempt('the journal', async () => {
      const journal = await machine.succeed(`${SYNC}; journalctl --no-pager --boot`, {
        timeout: PATIENCE,
        quiet: true,
      })
      writeFileSync(join(folder, 'journal.txt'), journal)
    })
  }
  return readdirSync(folder).map((name) => join(folder, name))
}
