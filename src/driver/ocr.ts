import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { type Tesseract, findTesseract } from '../provision/tesseract.ts'
import type { Machine } from './machine.ts'
import { find, patternText } from './pattern.ts'
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
import { type WaitOptions, waitForAnswer } from './waits/wait.ts'

/** The letters of a screen have a dozen lines of pixels; tesseract wants some thirty. */
const FACTOR = 3

/** How the letters of a page lie: tesseract's `--psm`. */
const LAYOUT = {
  /** One block of lines, as on a console. */
  block: '6',
  /** Here and there, as in windows. */
  sparse: '11',
} as const

/** What a screen says, read once. */
export async function getScreenText(screen: Screen, signal?: AbortSignal): Promise<string> {
  const tesseract = await findTesseract()
  return read(tesseract, darkOnBright(await screen.pixmap()), LAYOUT.block, signal)
}

/** What a screen says, read in several ways of which each finds what others do not. */
export async function getScreenTextVariants(
  screen: Screen,
  signal?: AbortSignal,
): Promise<string[]> {
  const tesseract = await findTesseract()
  const picture = darkOnBright(await screen.pixmap())
  return Promise.all([
    read(tesseract, picture, LAYOUT.block, signal),
    read(tesseract, inverted(picture), LAYOUT.block, signal),
    read(tesseract, picture, LAYOUT.sparse, signal),
  ])
}

/** Waits until a screen's text matches in one of its variants; resolves with the match. */
export async function waitForText(
  machine: Machine,
  screen: Screen,
  pattern: RegExp | string,
  options: WaitOptions,
): Promise<string> {
  let last: readonly string[] = []
  return waitForAnswer(
    machine.waiter,
    `${patternText(pattern)} on the screen`,
    options,
    async (signal) => {
      last = await getScreenTextVariants(screen, signal)
      return last.map((variant) => find(variant, pattern)).find((match) => match !== undefined)
    },
    () => `it reads:\n${last.map((variant) => variant.trimEnd()).join('\n---\n')}`,
  )
}

/** A picture as tesseract likes them. */
function darkOnBright(pixmap: Pixmap): Graymap {
  const shades = gray(pixmap)
  return enlarged(isDark(shades) ? inverted(shades) : shades, FACTOR)
}

async function read(
  { command, args, env }: Tesseract,
  picture: Graymap,
  layout: string,
  signal: AbortSignal | undefined,
): Promise<string> {
  const child = spawn(command, [...args, '-', '-', '--psm', layout, '--dpi', '300'], {
    // Its threads wait for each other more than they do.
    env: { ...process.env, ...env, OMP_THREAD_LIMIT: '1' },
    signal,
  })
  const ended = new Promise<number | null>((settle, reject) => {
    child.once('error', reject)
    child.once('close', settle)
  })
  // One that ends early says why on its standard error.
  child.stdin.on('error', () => {})
  child.stdin.end(graymapFile(picture))
  const [said, complaint, status] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    ended,
  ])
  if (status === 0) return said
  throw new Error(`${command} cannot read the screen (status ${status}): ${complaint.trim()}`)
}
