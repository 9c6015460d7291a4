import { size } from '../util/format.ts'
import type { EndFiles, EndLimits, LeftOut } from './both-ends.ts'
import type { LinesLeftOut } from './event.ts'

/** The files of a record whose events are lines of JSON, by what they have. Both begin in the same file. */
export const EVENT_FILES: Readonly<Record<LinesLeftOut['what'], EndFiles>> = {
  console: {
    first: 'events.jsonl',
    older: 'console-end-1.jsonl',
    newest: 'console-end-2.jsonl',
  },
  events: {
    first: 'events.jsonl',
    older: 'events-end-1.jsonl',
    newest: 'events-end-2.jsonl',
  },
}

/** The console as text, for people. */
export const CONSOLE_FILES: EndFiles = {
  first: 'console.log',
  older: 'console-end-1.log',
  newest: 'console-end-2.log',
}

/** QEMU's command lines. */
export const QEMU_FILE = 'qemu.txt'

/**
 * The limits of a record, in bytes of its lines. A guest can print without an end, and a test can run commands without an
 * end, so each has its own: no flood on the console costs an event of the test.
 */
export const RECORD_LIMITS: Readonly<Record<LinesLeftOut['what'], EndLimits>> = {
  console: { first: 2 << 20, part: 2 << 20 },
  events: { first: 8 << 20, part: 4 << 20 },
}

/** The line of a text that says what is left out before it. A guest can print the same, so it is for people only. */
export function describeLeftOut({ first, older }: EndFiles): (leftOut: LeftOut) => string {
  return ({ lines, bytes }) =>
    `--- ${lines} lines (${size(bytes)}) came between ${first} and this: ${older} has the last of them`
}

/** The limits of the console's text. It is larger than in the events, since nothing reads it into memory. */
export const CONSOLE_LIMITS: EndLimits = { first: 8 << 20, part: 8 << 20 }

/** systemd's journal, as text. */
export const JOURNAL_FILES: EndFiles = {
  first: 'journal.txt',
  older: 'journal-end-1.txt',
  newest: 'journal-end-2.txt',
}

/** The limits of the journal's text. All of it fits into a report. */
export const JOURNAL_LIMITS: EndLimits = { first: 4 << 20, part: 2 << 20 }
