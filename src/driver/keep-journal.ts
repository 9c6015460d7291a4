import { rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { BothEnds } from '../record/both-ends.ts'
import { JOURNAL_FILES, JOURNAL_LIMITS, describeLeftOut } from '../record/record-files.ts'
import { printable } from '../util/printable.ts'
import { execScript } from './exec.ts'
import type { Guest } from './guest.ts'
import { type TransferOptions, transfer } from './transfer.ts'

/** Lets journald write the newest lines. It has 20 s, in case journald itself has problems. */
const SYNC = 'timeout 20 journalctl --sync 2>/dev/null'

/** The length from which on a line is cut, in characters. */
const LINE = 64 * 1024

/**
 * Writes the journal of a guest's boot into a folder: its beginning and its end, however long it is. It is read as a stream.
 *
 * @throws Error when journalctl fails or the time is over; Node's error when a file cannot be written; MachineError when the
 *   machine ends first.
 */
export async function keepJournal(
  guest: Guest,
  folder: string,
  options: TransferOptions,
): Promise<void> {
  const script = execScript(`${SYNC}; journalctl --no-pager --boot`, {})
  const take = (output: Readable): Promise<void> => writeLines(output, folder)
  const { exitStatus, complaint } = await transfer(guest, { ...options, script, take })
  if (exitStatus === 0) return
  const said = complaint.trim().slice(-LINE)
  throw new Error(
    printable(
      `${guest.name}: journalctl ended with ${exitStatus}${said === '' ? '' : `: ${said}`}`,
    ),
  )
}

async function writeLines(output: Readable, folder: string): Promise<void> {
  // Several tests of one machine may fail. The newest journal has all lines of those before.
  const { first, older, newest } = JOURNAL_FILES
  for (const name of [first, older, newest]) rmSync(join(folder, name), { force: true })
  using files = new BothEnds(folder, JOURNAL_FILES, JOURNAL_LIMITS, describeLeftOut(JOURNAL_FILES))
  let rest = ''
  for await (const text of output.setEncoding('utf8') as AsyncIterable<string>) {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    if (rest.length > LINE) {
      lines.push(rest)
      rest = ''
    }
    for (const line of lines) files.add(line)
  }
  if (rest !== '') files.add(rest)
}
