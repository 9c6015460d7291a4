/**
 * Names on Linux are bytes, not text: a file may be called `\xff`. Inside this project a name is a
 * *byte string*: a JavaScript string with one character (U+0000 to U+00FF) for each byte, which
 * loses nothing and stays cheap. Text meets bytes only here.
 */

/** The UTF-8 bytes of `text`, as a byte string. */
export function fromText(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1')
}

/** A byte string as text for people; bytes that are no UTF-8 become U+FFFD. */
export function toText(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString('utf8')
}
