/** How many letters make a beginning that is enough to know a word by. */
const BEGINNING = 3

/**
 * The one of `words` that `typed` was probably meant to be: one that begins with it, else the one with the least edits.
 * Undefined where none is near: more than a third of the letters would have to change.
 */
export function nearest(typed: string, words: readonly string[]): string | undefined {
  const begun = words.find((word) => typed.length >= BEGINNING && word.startsWith(typed))
  if (begun !== undefined) return begun
  const most = Math.max(1, Math.floor((typed.length + 1) / 3))
  const [first] = words
    .map((word) => ({ word, edits: editsBetween(typed, word) }))
    .filter(({ edits }) => edits <= most)
    .toSorted((a, b) => a.edits - b.edits)
  return first?.word
}

/** The nearest of `words` as a sentence to put into an error, with a blank in front; nothing where none is near. */
export function didYouMean(typed: string, words: readonly string[]): string {
  const word = nearest(typed, words)
  return word === undefined ? '' : ` Did you mean ${word}?`
}

/**
 * How many letters have to be inserted, removed, replaced or swapped with their neighbour to make one word of another
 * (optimal string alignment).
 */
function editsBetween(a: string, b: string): number {
  let beforeLast: readonly number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = at(last, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1)
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      const swapped = isSwap ? at(beforeLast, j - 2) + 1 : Infinity
      row.push(Math.min(at(last, j) + 1, at(row, j - 1) + 1, replaced, swapped))
    }
    beforeLast = last
    last = row
  }
  return at(last, b.length)
}

function at(row: readonly number[], index: number): number {
  return row[index] ?? Infinity
}
