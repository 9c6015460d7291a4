/** A run of text in one style. */
export interface StyledText {
  readonly text: string
  /** Names of classes: `bold`, `faint`, `fg1`, `bg4`, … Empty for plain text. */
  readonly classes: readonly string[]
}

/**
 * Escape sequences of a terminal (ECMA-48): CSI with its parameters and final byte; OSC and the like up to
 * their terminator; the short ones of two or three characters.
 */
const SEQUENCE =
  // oxlint-disable-next-line no-control-regex -- it looks for control characters
  /\u001b\[([0-?]*)[ -/]*([@-~])|\u001b[\]P^_X][^\u0007\u001b]*(?:\u0007|\u001b\\|$)|\u001b[ -/]*[0-~]?/g

/** Removes the escape sequences from a text, and applies those for colour and weight. */
export function parseAnsi(text: string): StyledText[] {
  const runs: StyledText[] = []
  let style: Style = {}
  let position = 0
  const add = (end: number): void => {
    if (end > position) runs.push({ text: text.slice(position, end), classes: classesOf(style) })
  }
  for (const match of text.matchAll(SEQUENCE)) {
    add(match.index)
    position = match.index + match[0].length
    const [, parameters, final] = match
    if (final === 'm') style = applyParameters(style, parameters ?? '')
  }
  add(text.length)
  return runs
}

/** The style that SGR (ECMA-48, 8.3.117) has set. Colours are 0 to 15. */
interface Style {
  bold?: boolean
  faint?: boolean
  foreground?: number
  background?: number
}

function classesOf({ bold, faint, foreground, background }: Style): string[] {
  return [
    bold && 'bold',
    faint && 'faint',
    foreground !== undefined && `fg${foreground}`,
    background !== undefined && `bg${background}`,
  ].filter((name) => typeof name === 'string')
}

function applyParameters(before: Style, parameters: string): Style {
  const numbers = parameters.split(/[;:]/).map(Number)
  const style = { ...before }
  for (let at = 0; at < numbers.length; at += 1) {
    const number = numbers[at] ?? 0
    if (number === 38 || number === 48) {
      const isIndexed = numbers[at + 1] === 5
      const index = numbers[at + 2] ?? 16
      if (isIndexed && index < 16) style[number === 38 ? 'foreground' : 'background'] = index
      // Otherwise three numbers for red, green and blue follow, which are skipped.
      at += isIndexed ? 2 : 4
    } else {
      applyNumber(style, number)
    }
  }
  return style
}

function applyNumber(style: Style, number: number): void {
  if (number === 0) {
    for (const key of ['bold', 'faint', 'foreground', 'background'] as const) delete style[key]
  } else if (number === 1) style.bold = true
  else if (number === 2) style.faint = true
  else if (number === 22) {
    delete style.bold
    delete style.faint
  } else if (number === 39) delete style.foreground
  else if (number === 49) delete style.background
  else if (number >= 30 && number <= 37) style.foreground = number - 30
  else if (number >= 40 && number <= 47) style.background = number - 40
  else if (number >= 90 && number <= 97) style.foreground = number - 82
  else if (number >= 100 && number <= 107) style.background = number - 92
}
