import type { LinesLeftOut } from '../record/event.ts'
import { count, size } from '../util/format.ts'
import type { Entry, MomentEntry } from './history.ts'

/** How an entry is shown, in the timeline and in the list. */
export interface Description {
  /** The entry in one line. */
  readonly text: string
  /** How it ended, in a few words. */
  readonly outcome: string
  readonly state: 'good' | 'doubtful' | 'bad' | 'open'
}

/** Describes an entry. */
export function describeEntry(entry: Entry): Description {
  if (entry.kind === 'moment') return describeMoment(entry.event)
  const state = entry.failure !== undefined ? 'bad' : entry.isOver ? 'good' : 'open'
  const outcome = entry.failure ?? (entry.isOver ? '' : 'not over')
  switch (entry.kind) {
    case 'boot':
      return { text: 'boot', outcome, state }
    case 'step':
      return { text: entry.name, outcome, state }
    case 'wait':
      return { text: `wait for ${entry.what}`, outcome, state }
    case 'command':
      return { text: entry.line.text, ...commandOutcome(entry, outcome, state) }
  }
}

/** What is left out, in a few words. @param noun what a line of it is. */
export function describeGap({ lines, bytes }: LinesLeftOut, noun: string): string {
  const parts = [...(lines > 0 ? [count(lines, noun)] : []), ...(bytes > 0 ? [size(bytes)] : [])]
  return `${parts.join(', ')} left out`
}

function commandOutcome(
  { ended, failure }: Extract<Entry, { kind: 'command' }>,
  outcome: string,
  state: Description['state'],
): Omit<Description, 'text'> {
  if (ended === undefined || failure !== undefined) return { outcome, state }
  if (ended.signal !== undefined) return { outcome: ended.signal, state: 'doubtful' }
  if (ended.exitCode === null) return { outcome: 'no exit status', state: 'doubtful' }
  // Not 'bad': the test may expect the command to fail.
  return { outcome: `exit ${ended.exitCode}`, state: ended.exitCode === 0 ? 'good' : 'doubtful' }
}

function describeMoment(event: MomentEntry['event']): Description {
  const good = { outcome: '', state: 'good' } as const
  switch (event.kind) {
    case 'ended':
      return event.unexpected
        ? { text: `the machine ended: ${event.reason}`, outcome: 'unexpected', state: 'bad' }
        : { text: `the machine ended: ${event.reason}`, ...good }
    case 'file-copied': {
      const where = event.direction === 'to-guest' ? 'to the guest' : 'to the host'
      return { text: `${event.source} copied ${where} as ${event.target}`, ...good }
    }
    case 'left-out':
      return { text: describeGap(event, 'event'), outcome: 'left out', state: 'doubtful' }
    case 'network':
      return { text: `network: ${event.change}`, ...good }
    case 'note':
      return { text: event.text, ...good }
    case 'screenshot':
      return { text: `screenshot ${event.file}`, ...good }
    case 'snapshot':
      return { text: `snapshot ${event.name} ${event.action}`, ...good }
    case 'unit-failed':
      return {
        text: `unit ${event.unit} failed`,
        outcome: event.result ?? '',
        state: 'bad',
      }
  }
}
