import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { MachineEvent } from './event.ts'
import { EVENTS } from './record-folder.ts'

/** A record as it was found. */
export interface ReadRecord {
  readonly events: readonly MachineEvent[]
  /** How many lines are no events: the last one is cut where its writer was killed in the middle. */
  readonly brokenLines: number
}

/**
 * Reads a folder's events.
 *
 * @returns undefined where there are none.
 * @throws what readFile does for any other reason than that.
 */
export async function readRecord(folder: string): Promise<ReadRecord | undefined> {
  try {
    return parseRecord(await readFile(join(folder, EVENTS), 'utf8'))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** Parses lines of events; what is no event is counted and left out. */
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
  } catch {
    return undefined
  }
}
