import type { MachineEvent } from './event.ts'

/** The limits of what is kept in memory: events, and characters of their texts. */
const MOST = { events: 10_000, characters: 8 * 1024 * 1024 }

/** The newest events of a machine, and the first one, which has the machine's name. */
export class RecentEvents {
  readonly #events: MachineEvent[] = []
  #characters = 0

  get all(): readonly MachineEvent[] {
    return this.#events
  }

  add(event: MachineEvent): void {
    this.#events.push(event)
    this.#characters += charactersOf(event)
    while (this.#events.length > MOST.events || this.#characters > MOST.characters) {
      // Removing one event moves all later ones, so many are removed at a time. The first and the newest always stay.
      const count = Math.min(Math.ceil(this.#events.length / 10), this.#events.length - 2)
      if (count <= 0) return
      for (const gone of this.#events.splice(1, count)) this.#characters -= charactersOf(gone)
    }
  }
}

/** The length of an event's text. Numbers and names are short and do not count. */
function charactersOf(event: MachineEvent): number {
  switch (event.kind) {
    case 'command-output':
      return event.text?.length ?? event.base64?.length ?? 0
    case 'command-started':
    case 'note':
      return event.text.length
    case 'console':
      return event.line.length
    default:
      return 0
  }
}
