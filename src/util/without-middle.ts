/**
 * A text without its middle where it has more than `most` characters: its beginning and its end, with a line between them
 * that says how much is left out.
 */
export function withoutMiddle(text: string, most: number): string {
  if (text.length <= most) return text
  const half = Math.floor(most / 2)
  return `${text.slice(0, half)}\n[${text.length - 2 * half} characters left out]\n${text.slice(-half)}`
}
