import { printable } from '../util/printable.ts'

/** Prints lines on standard output. What a terminal or a CI system would obey is shown escaped. */
export function print(text: string): void {
  console.log(printable(text))
}

/** Prints lines for a person on standard error, in the same way. */
export function printError(text: string): void {
  console.error(printable(text))
}
