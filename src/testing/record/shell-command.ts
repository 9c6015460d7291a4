import { shellWord } from '../../guest/quote.ts'

/** A command line as it can be pasted into a shell; a word is in quotes only where it needs them. */
export function shellCommand(words: readonly string[]): string {
  return words.map(shellWord).join(' ')
}
