import { fileURLToPath } from 'node:url'
import { inspect } from 'node:util'
import type { Failure } from '../report/results.ts'
import { withoutMiddle } from '../util/without-middle.ts'

/** How many causes of causes are described. */
const DEPTH = 5

/** The longest message and the longest text, in characters. An assertion may quote megabytes of a guest's output. */
const MOST = { message: 1000, text: 128 * 1024 }

/** The variable of a test's environment that has failures show the whole stack but for the frames of Node. */
export const OWN_FRAMES = 'LOWERDIR_OWN_FRAMES'

/** The folders of this package that its frames are in: src where Node uses source maps. */
const OWN_FOLDERS = ['../../dist/', '../../src/'].map((folder) => new URL(folder, import.meta.url))

/** How frames name files in them: modules by URL, and with source maps by path. */
const OWN_PLACES = OWN_FOLDERS.flatMap((folder) => [folder.href, fileURLToPath(folder)])

/** Describes for people why a test failed, from the value that it has thrown. */
export function describeError(error: unknown): Failure {
  const text = withoutMiddle(textOf(error, DEPTH).trim(), MOST.text)
  const whole = error instanceof Error ? error.message : inspect(error)
  const message = whole.trim().split('\n', 1)[0] || 'failed'
  const isLonger = message.length > MOST.message
  return { message: isLonger ? `${message.slice(0, MOST.message)}…` : message, text }
}

function textOf(error: unknown, depth: number): string {
  if (!(error instanceof Error)) return inspect(error)
  const parts = [stackOf(error), ...detailsOf(error)]
  if (depth > 0) {
    if (error.cause !== undefined) parts.push(`caused by: ${textOf(error.cause, depth - 1)}`)
    const several: readonly unknown[] = error instanceof AggregateError ? error.errors : []
    for (const each of several) parts.push(`one of them: ${textOf(each, depth - 1)}`)
  }
  return parts.join('\n')
}

/**
 * The stack without the frames of Node, and without those of this package where a frame of the test is left: they come
 * first, and hide the line of the test that the reader looks for.
 */
function stackOf(error: Error): string {
  const stack = error.stack ?? `${error.name}: ${error.message}`
  const lines = stack.split('\n').filter((line) => !(isFrame(line) && /\(?node:/.test(line)))
  const short = lines.filter((line) => !isOwnFrame(line))
  const isWhole = process.env[OWN_FRAMES] !== undefined || !short.some(isFrame)
  return (isWhole ? lines : short).join('\n')
}

function isFrame(line: string): boolean {
  return /^\s+at /.test(line)
}

function isOwnFrame(line: string): boolean {
  return isFrame(line) && OWN_PLACES.some((place) => line.includes(place))
}

/** Properties of an error that have several lines and are not part of its message, such as the end of a console. */
function detailsOf(error: Error): string[] {
  return Object.entries(error)
    .filter(([name, value]) => !['stack', 'message'].includes(name) && isLong(value))
    .filter(([, value]) => !error.message.includes(String(value).trimEnd()))
    .map(([name, value]) => `${name}:\n${String(value).trimEnd().replaceAll(/^/gm, '  | ')}`)
}

function isLong(value: unknown): boolean {
  return typeof value === 'string' && value.includes('\n')
}
