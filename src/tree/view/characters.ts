/** The least and the greatest code point of a UTF-8 sequence of 0, 1, 2, … bytes (RFC 3629, section 3). */
const least = [0, 0, 0x80, 0x800, 0x10000]
const MOST = 0x10ffff

/**
 * The code points of a byte string (util/text.ts) that is UTF-8. A byte that belongs to no character becomes
 * a negative number, because names on Linux need not be text.
 */
export function charactersOf(name: string): readonly number[] {
  const characters: number[] = []
  for (let at = 0; at < name.length;) {
    const length = sequenceLength(name.charCodeAt(at))
    const character = length === 1 ? name.charCodeAt(at) : decoded(name, at, length)
    characters.push(character)
    at += character < 0 ? 1 : length
  }
  return characters
}

/** The length of the sequence that begins with `lead`; 0 if none does. */
function sequenceLength(lead: number): number {
  if (lead < 0x80) return 1
  if (lead < 0xc0) return 0
  if (lead < 0xe0) return 2
  if (lead < 0xf0) return 3
  return lead < 0xf8 ? 4 : 0
}

function decoded(name: string, at: number, length: number): number {
  const lead = name.charCodeAt(at)
  const noCharacter = -lead
  if (length === 0 || at + length > name.length) return noCharacter
  let character = lead & (0x7f >> length)
  for (let i = 1; i < length; i++) {
    const byte = name.charCodeAt(at + i)
    if ((byte & 0xc0) !== 0x80) return noCharacter
    character = (character << 6) | (byte & 0x3f)
  }
  // Overlong forms, surrogates, and numbers that Unicode does not have.
  const tooLittle = character < (least[length] ?? 0)
  const half = character >= 0xd800 && character < 0xe000
  return tooLittle || half || character > MOST ? noCharacter : character
}
