import { BUSYBOX } from '../guest/agent.ts'
import type { Machine } from './machine.ts'
import { find, patternText } from './pattern.ts'
import { type WaitOptions, failure, waitForAnswer } from './waits/wait.ts'

/** What a virtual terminal of the guest shows: its lines, without what is blank at their ends and behind them. */
export async function getTtyText(
  machine: Machine,
  tty: number,
  signal?: AbortSignal,
): Promise<string> {
  if (!Number.isInteger(tty) || tty < 1 || tty > 63)
    throw new RangeError(`There is no tty${tty}: say a whole number from 1 to 63.`)
  // Since Linux 4.19 there is a device with characters, beside those with what the font has for them (vcs(4)).
  const script = `${BUSYBOX} head -c 4 /dev/vcsa${tty} && ${BUSYBOX} cat /dev/vcsu${tty}`
  const { exitCode, stdout, stderr } = await machine.exec(script, {
    encoding: 'buffer',
    quiet: true,
    ...(signal === undefined ? {} : { signal }),
  })
  if (exitCode === 0) return ttyText(stdout)
  const why = `cannot be read, since nobody has opened it yet: ${stderr.toString().trim()}`
  throw failure(machine.waiter, `tty${tty}`, why)
}

/** Waits until what a virtual terminal shows matches; resolves with the match. */
export function waitUntilTtyMatches(
  machine: Machine,
  tty: number,
  pattern: RegExp | string,
  options: WaitOptions,
): Promise<string> {
  let last = ''
  return waitForAnswer(
    machine.waiter,
    `${patternText(pattern)} on tty${tty}`,
    options,
    async (signal) => {
      last = await getTtyText(machine, tty, signal)
      return find(last, pattern)
    },
    () => `it shows:\n${last}`,
  )
}

/**
 * The text in what the guest has read: the header of /dev/vcsaN (lines, columns, and where the cursor is), and
 * /dev/vcsuN, four bytes a character.
 *
 * @throws Error if it is not that.
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
