import { BUSYBOX } from '../guest/agent.ts'
import type { Guest } from './guest.ts'
import { type WaitOptions, failure, find, patternText, waitForAnswer } from './waits/wait.ts'

/** The text of a virtual terminal of the guest, without blanks at the ends of lines and without empty lines at the end. */
export async function getTtyText(guest: Guest, tty: number, options: WaitOptions): Promise<string> {
  if (!Number.isInteger(tty) || tty < 1 || tty > 63)
    throw new RangeError(`There is no tty${tty}: say a whole number from 1 to 63.`)
  // /dev/vcsu (Linux 4.19) has Unicode characters, where /dev/vcs has positions in the font (vcs(4)).
  const script = `${BUSYBOX} head -c 4 /dev/vcsa${tty} && ${BUSYBOX} cat /dev/vcsu${tty}`
  const { exitCode, stdout, stderr } = await guest.exec(script, {
    ...options,
    encoding: 'buffer',
    quiet: true,
  })
  if (exitCode === 0) return ttyText(stdout)
  const why = `cannot be read, since no process has opened it yet: ${stderr.toString().trim()}`
  throw failure(guest, `tty${tty}`, why)
}

/** Waits until the text of a virtual terminal matches, and resolves with the match. */
export function waitUntilTtyMatches(
  guest: Guest,
  tty: number,
  pattern: RegExp | string,
  options: WaitOptions,
): Promise<string> {
  let last = ''
  return waitForAnswer(
    guest,
    `${patternText(pattern)} on tty${tty}`,
    options,
    async (signal) => {
      last = await getTtyText(guest, tty, { signal })
      return find(last, pattern)
    },
    () => `it shows:\n${last}`,
  )
}

/**
 * The text of a terminal.
 *
 * @param bytes the header of /dev/vcsaN (lines, columns, the cursor's place) and then /dev/vcsuN, four bytes a character.
 * @throws Error for another number of bytes.
 */
export function ttyText(bytes: Buffer): string {
  const [lines = 0, columns = 0] = bytes
  const cells = bytes.subarray(4)
  if (cells.length === 0 || cells.length !== lines * columns * 4)
    throw new Error(`A terminal of ${lines} lines of ${columns} has ${cells.length} bytes.`)
  const text = Array.from({ length: lines }, (_, line) =>
    Array.from({ length: columns }, (_cell, column) =>
      character(cells.readUInt32LE((line * columns + column) * 4)),
    )
      .join('')
      .trimEnd(),
  )
  return text.join('\n').trimEnd()
}

function character(code: number): string {
  return code <= 0x10ffff ? String.fromCodePoint(code) : '\u{FFFD}'
}
