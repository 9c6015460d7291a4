import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { MachineEvent } from './event.ts'
import { EVENTS } from './record-folder.ts'

/** A record that was read from a folder. */
export interface ReadRecord {
  readonly events: readonly MachineEvent[]
  /** The number of lines that are no events. The last line is cut where the writer was killed while it wrote. */
  readonly brokenLines: number
}

/**
 * Reads the events of a folder.
 *
 * @returns undefined where the folder has no record.
 * @throws Node's error when the record cannot be read.
 */
export async function readRecord(folder: string): Promise<ReadRecord | undefined> {
  try {
    return parseRecord(await readFile(join(folder, EVENTS), 'utf8'))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** Parses lines of events. Lines that are no events are left out and counted. */
export function parseRecord(text: string): ReadRecord {
  const lines = text.split('\n').filter((line) => line !== '')
  const events = lines.map(parseEvent).filter((event) => event !== undefined)
  return { events, brokenLines: lines.length - events.length }
}

function parseEvent(line: string): MachineEvent | undefined {
  try {
    const event = JSON.parse(line) as Partial<MachineEvent> | null
    return typeof event?.kind === 'string' && typeof event.time === 'number'
      ? (event as MachineEvent)
      : undefined
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}
