import { setTimeout as sleep } from 'node:timers/promises'
import { type Key, keysOfCharacter, keysOfCombination } from './keys.ts'
import type { Machine } from './machine.ts'
import { type WaitOptions, waitFor } from './waits/wait.ts'

/** How keys are pressed. */
export interface KeyOptions extends WaitOptions {
  /** Seconds between two keys, or combinations of keys. Default: 0.01. */
  readonly delay?: number
}

const DELAY = 0.01

/** How often it is asked whether the guest has read what was pressed, in milliseconds. */
const PAUSE = 5

/** The status port of a PC's keyboard controller, and the bit of it that says that something is to be read. */
const I8042 = { status: '0x64', outputFull: 0x01 }

/** Presses a combination of keys, all down before the first is up again. */
export async function sendKey(
  machine: Machine,
  combination: string,
  options: KeyOptions,
): Promise<void> {
  await press(machine, `the key ${combination}`, [keysOfCombination(combination)], options)
}

/** Types a text. */
export async function sendChars(
  machine: Machine,
  text: string,
  options: KeyOptions,
): Promise<void> {
  const strokes = Array.from(text, keysOfCharacter)
  await press(machine, `the keys ${JSON.stringify(text)}`, strokes, options)
}

/** Presses combinations of keys one after the other, each when the guest has read the one before. */
async function press(
  machine: Machine,
  what: string,
  strokes: readonly (readonly Key[])[],
  { delay = DELAY, ...options }: KeyOptions,
): Promise<void> {
  await waitFor(machine.waiter, what, options, async (signal) => {
    for (const keys of strokes) {
      await send(machine, what, keys, true)
      await taken(machine, signal)
      await send(machine, what, keys.toReversed(), false)
      await taken(machine, signal)
      await sleep(delay * 1000, undefined, { signal })
    }
  })
}

async function send(
  machine: Machine,
  what: string,
  keys: readonly Key[],
  down: boolean,
): Promise<void> {
  const events = keys.map((key) => ({ type: 'key', data: { down, key } }))
  try {
    await machine.qmp('input-send-event', { events })
  } catch (cause) {
    const said = (cause as Error).message
    const advice = 'Keys have the names of QKeyCode in QEMU’s qapi/ui.json, joined by "-".'
    throw new Error(`${machine.name}: ${what} cannot be pressed (${said}). ${advice}`, { cause })
  }
}

/**
 * Resolves when the guest has read all that its keyboard had to say: the controller of a PC holds 16 bytes, a key
 * with a shift takes six, and what does not fit is lost.
 */
async function taken(machine: Machine, signal: AbortSignal): Promise<void> {
  if (process.arch !== 'x64') return
  for (;;) {
    // To read this port changes nothing.
    const said = await machine.hmp(`i /b ${I8042.status}`)
    const status = Number(/= (0x[0-9a-f]+)/.exec(said)?.[1])
    if (Number.isNaN(status)) throw new Error(`QEMU does not know its keyboard: ${said.trim()}`)
    if ((status & I8042.outputFull) === 0) return
    await sleep(PAUSE, undefined, { signal })
  }
}
