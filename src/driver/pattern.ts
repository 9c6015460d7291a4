/** What of `text` a pattern matches; a string is to be found as it is. */
export function find(text: string, pattern: RegExp | string): string | undefined {
  if (typeof pattern === 'string') return text.includes(pattern) ? pattern : undefined
  // A global one would begin where it has ended the last time.
  return new RegExp(pattern.source, pattern.flags.replaceAll(/[gy]/g, '')).exec(text)?.[0]
}

/** A pattern, for a person. */
export function patternText(pattern: RegExp | string): string {
  return pattern instanceof RegExp ? String(pattern) : `"${pattern}"`
}
