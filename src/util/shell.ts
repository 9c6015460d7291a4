/** A string as one word of a POSIX shell. */
export function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}

/** The same for people: in quotes only where it needs them. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : quote(text)
}

/** A command line that can be pasted into a shell; a word is in quotes only where it needs them. */
export function shellCommand(words: readonly string[]): string {
  return words.map(shellWord).join(' ')
}
