import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { type Tesseract, findTesseract } from '../provision/tesseract.ts'
import type { Guest } from './guest.ts'
import {
  type Graymap,
  type Pixmap,
  enlarged,
  gray,
  graymapFile,
  inverted,
  isDark,
} from './pixmap.ts'
import type { Screen } from './screen.ts'
import { type WaitOptions, bounded, find, patternText, waitForAnswer } from './waits/wait.ts'

/** The letters of a screen are about 12 pixels high; tesseract reads letters of about 30 best. */
const FACTOR = 3

/** The layout of the text: tesseract's `--psm`. */
const LAYOUT = {
  /** One block of lines, as on a console: PSM_SINGLE_BLOCK. */
  block: '6',
  /** Words in any place, as in windows: PSM_SPARSE_TEXT. */
  sparse: '11',
} as const

/** What is waited for, for a message. */
const SCREEN_TEXT = 'the text on the screen'

/** The text on a screen, read once. */
export function getScreenText(guest: Guest, screen: Screen, options: WaitOptions): Promise<string> {
  return bounded(guest, SCREEN_TEXT, options, async (signal) => {
    const picture = darkOnBright(await screen.pixmap({ signal }))
    return read(await findTesseract(), picture, LAYOUT.block, signal)
  })
}

/** The text on a screen, read in three ways. Each way finds words that the others miss. */
export function getScreenTextVariants(
  guest: Guest,
  screen: Screen,
  options: WaitOptions,
): Promise<string[]> {
  return bounded(guest, SCREEN_TEXT, options, (signal) => variants(screen, signal))
}

async function variants(screen: Screen, signal: AbortSignal): Promise<string[]> {
  const picture = darkOnBright(await screen.pixmap({ signal }))
  const tesseract = await findTesseract()
  return Promise.all([
    read(tesseract, picture, LAYOUT.block, signal),
    read(tesseract, inverted(picture), LAYOUT.block, signal),
    read(tesseract, picture, LAYOUT.sparse, signal),
  ])
}

/** Waits until the text on a screen matches in one of its variants, and resolves with the match. */
export async function waitForText(
  guest: Guest,
  screen: Screen,
  pattern: RegExp | string,
  options: WaitOptions,
): Promise<string> {
  let last: readonly string[] = []
  return waitForAnswer(
    guest,
    `${patternText(pattern)} on the screen`,
    options,
    async (signal) => {
      last = await variants(screen, signal)
      return last.map((variant) => find(variant, pattern)).find((match) => match !== undefined)
    },
    () => `it reads:\n${last.map((variant) => variant.trimEnd()).join('\n---\n')}`,
  )
}

/** A picture as tesseract reads it best: dark letters on a bright ground. */
function darkOnBright(pixmap: Pixmap): Graymap {
  const shades = gray(pixmap)
  return enlarged(isDark(shades) ? inverted(shades) : shades, FACTOR)
}

async function read(
  { command, args, env }: Tesseract,
  picture: Graymap,
  layout: string,
  signal: AbortSignal,
): Promise<string> {
  const child = spawn(command, [...args, '-', '-', '--psm', layout, '--dpi', '300'], {
    // One thread is faster than several, which mostly wait for each other.
    env: { ...process.env, ...env, OMP_THREAD_LIMIT: '1' },
    signal,
  })
  const ended = new Promise<number | null>((settle, reject) => {
    child.once('error', reject)
    child.once('close', settle)
  })
  const fed = new Promise<void>((settle, reject) => {
    child.stdin.once('error', (error: NodeJS.ErrnoException) => {
      // tesseract ended early, and says why on its standard error.
      if (error.code === 'EPIPE' || error.code === 'ECONNRESET') settle()
      else reject(error)
    })
    child.stdin.once('close', settle)
  })
  child.stdin.end(graymapFile(picture))
  const [said, complaint, status] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    ended,
    fed,
  ])
  if (status === 0) return said
  throw new Error(`${command} cannot read the screen (status ${status}): ${complaint.trim()}`)
}
