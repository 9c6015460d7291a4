import { join } from 'node:path'
import type { EndFiles } from './both-ends.ts'
import type { LinesLeftOut, MachineEvent } from './event.ts'
import { parseEvent } from './parse-event.ts'
import { type FileLines, readLines } from './read-lines.ts'
import { EVENT_FILES } from './record-files.ts'
import { isSystemError } from '../util/error.ts'

/** A record that was read from a folder. */
export interface ReadRecord {
  /** In the order of their times. */
  readonly events: readonly MachineEvent[]
  /** The number of lines that are no events. The last line is cut where the writer was killed while it wrote. */
  readonly brokenLines: number
}

/**
 * Reads the events of a folder. It takes no more memory than the limits of a record allow, whatever the folder has.
 *
 * @returns undefined where the folder has no record.
 * @throws ArtifactError, or Node's error, when the record cannot be read.
 */
export async function readRecord(folder: string): Promise<ReadRecord | undefined> {
  const first = await readEvents(folder, EVENT_FILES.events.first)
  if (first === undefined) return undefined
  const ends = [
    await readEnd(folder, EVENT_FILES.console),
    await readEnd(folder, EVENT_FILES.events),
  ]
  const all = [first, ...ends]
  return {
    events: all.flatMap(({ events }) => events).toSorted((a, b) => a.time - b.time),
    brokenLines: all.reduce((sum, { brokenLines }) => sum + brokenLines, 0),
  }
}

/** Parses lines of events. Lines that are no events are left out and counted. */
export function parseRecord(text: string): ReadRecord {
  return eventsOf({ lines: text.split('\n').filter(Boolean), tooLong: 0, unread: 0 })
}

/** Reads both parts of an end. What the older part has is not left out, so only its own line says what is. */
async function readEnd(folder: string, { older, newest }: EndFiles): Promise<ReadRecord> {
  const before = await readEvents(folder, older)
  const after = (await readEvents(folder, newest)) ?? { events: [], brokenLines: 0 }
  if (before === undefined) return after
  const [first, ...others] = after.events
  const rest = first?.kind === 'left-out' ? others : after.events
  return {
    events: [...before.events, ...rest],
    brokenLines: before.brokenLines + after.brokenLines,
  }
}

/** Undefined where there is no such file. */
async function readEvents(folder: string, name: string): Promise<ReadRecord | undefined> {
  try {
    return eventsOf(await readLines(join(folder, name)))
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return undefined
    throw error
  }
}

function eventsOf({ lines, tooLong, unread }: FileLines): ReadRecord {
  const events = lines.map(parseEvent).filter((event) => event !== undefined)
  const brokenLines = lines.length - events.length + tooLong
  const last = events.at(-1)
  if (unread === 0 || last === undefined) return { events, brokenLines }
  const gap: LinesLeftOut = { kind: 'left-out', what: 'events', lines: 0, bytes: unread }
  return { events: [...events, { time: last.time, ...gap }], brokenLines }
}
