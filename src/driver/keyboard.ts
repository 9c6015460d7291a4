import { setTimeout as sleep } from 'node:timers/promises'
import { type Key, keysOfCharacter, keysOfCombination } from './keys.ts'
import type { Guest } from './guest.ts'
import { type WaitOptions, waitFor } from './waits/wait.ts'

/** Options of pressing keys. */
export interface KeyOptions extends WaitOptions {
  /** Seconds between two keys, or combinations of keys. Default: 0.01. */
  readonly delay?: number
}

/** Seconds. */
const DELAY = 0.01

/** The pause between two looks at the keyboard controller, in milliseconds. */
const PAUSE = 5

/** The status port of a PC's keyboard controller, and its bit for a byte that the guest has still to read. */
const I8042 = { status: '0x64', outputFull: 0x01 }

/** Presses a combination of keys: all go down before the first goes up again. */
export async function sendKey(
  guest: Guest,
  combination: string,
  options: KeyOptions,
): Promise<void> {
  await press(guest, `the key ${combination}`, [keysOfCombination(combination)], options)
}

/** Types a text. */
export async function sendChars(guest: Guest, text: string, options: KeyOptions): Promise<void> {
  const strokes = Array.from(text, keysOfCharacter)
  await press(guest, `the keys ${JSON.stringify(text)}`, strokes, options)
}

/** Presses combinations of keys one after the other, each after the guest has read the one before. */
async function press(
  guest: Guest,
  what: string,
  strokes: readonly (readonly Key[])[],
  { delay = DELAY, ...options }: KeyOptions,
): Promise<void> {
  await waitFor(guest, what, options, async (signal) => {
    for (const keys of strokes) {
      await send(guest, what, keys, true)
      await taken(guest, signal)
      await send(guest, what, keys.toReversed(), false)
      await taken(guest, signal)
      await sleep(delay * 1000, undefined, { signal })
    }
  })
}

async function send(
  guest: Guest,
  what: string,
  keys: readonly Key[],
  down: boolean,
): Promise<void> {
  const events = keys.map((key) => ({ type: 'key', data: { down, key } }))
  try {
    await guest.qmp('input-send-event', { events })
  } catch (cause) {
    const said = (cause as Error).message
    const advice = 'Keys have the names of QKeyCode in QEMU’s qapi/ui.json, joined by "-".'
    throw new Error(`${guest.name}: ${what} cannot be pressed (${said}). ${advice}`, { cause })
  }
}

/**
 * Resolves when the guest has read all bytes of its keyboard. The controller of a PC holds 16 of them, a key with a
 * shift takes six, and bytes that do not fit are lost.
 */
async function taken(guest: Guest, signal: AbortSignal): Promise<void> {
  if (process.arch !== 'x64') return
  for (;;) {
    // Reading this port has no side effect.
    const said = await guest.hmp(`i /b ${I8042.status}`)
    const status = Number(/= (0x[0-9a-f]+)/.exec(said)?.[1])
    if (Number.isNaN(status))
      throw new Error(`${guest.name}: QEMU does not show the keyboard's state: ${said.trim()}`)
    if ((status & I8042.outputFull) === 0) return
    await sleep(PAUSE, undefined, { signal })
  }
}
