import { inspect } from 'node:util'
import type { Failure } from '../report/results.ts'

/** How many causes of causes are described. */
const DEPTH = 5

/** Describes for people why a test failed, from the value that it has thrown. */
export function describeError(error: unknown): Failure {
  const text = textOf(error, DEPTH).trim()
  const message = error instanceof Error ? error.message : inspect(error)
  return { message: message.trim().split('\n', 1)[0] || 'failed', text }
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

/** The stack without the frames of Node itself, which say nothing about a test. */
function stackOf(error: Error): string {
  const stack = error.stack ?? `${error.name}: ${error.message}`
  return stack
    .split('\n')
    .filter((line) => !/^\s+at .*\(?node:/.test(line))
    .join('\n')
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
