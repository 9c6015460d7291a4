import { constants } from 'node:os'

/** The signal that a shell's exit status stands for: 128 + n is the n-th. Null for any other status. */
export function signalOf(exitCode: number): NodeJS.Signals | null {
  for (const [name, number] of Object.entries(constants.signals)) {
    if (number === exitCode - 128) return name as NodeJS.Signals
  }
  return null
}
