/**
 * What a terminal would obey: control characters (C0 without tab and newline, DEL, C1), which begin escape sequences such as
 * ECMA-48's CSI, OSC and DCS; and characters that change the direction of writing (Unicode's UAX #9), which make a line look
 * like another.
 */
const COMMANDS =
  // oxlint-disable-next-line no-control-regex -- it looks for control characters
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g

/**
 * What a CI system would obey in a log: GitHub's `::command::` at the beginning of a line (actions/runner, ActionCommand.cs:
 * blanks before it are left out), and its `##[command]`, Azure's `##vso[…]` and TeamCity's `##teamcity[…]` anywhere.
 */
const WORKFLOW_COMMANDS = /^([^\S\n]*:)(?=:[\w-][^\n]*::)|(#)(?=#\w*\[)/gm

/**
 * A text that is shown on a terminal or in a log, and obeyed by neither. Guests, other programs and names of files may have
 * written it. What has a meaning beyond its own characters is escaped as in JavaScript: `\x1b`, `\u202e`, `:\:error::`.
 * Tabs and newlines stay.
 */
export function printable(text: string): string {
  return text
    .replaceAll('\r\n', '\n')
    .replaceAll(COMMANDS, escaped)
    .replaceAll(WORKFLOW_COMMANDS, '$1$2\\')
}

/** As {@link printable}, for a text that has to stay in its line, such as a name: newlines are escaped as well. */
export function printableLine(text: string): string {
  return printable(text).replaceAll('\n', '\\n')
}

function escaped(character: string): string {
  const code = character.charCodeAt(0)
  return code < 0x100
    ? `\\x${code.toString(16).padStart(2, '0')}`
    : `\\u${code.toString(16).padStart(4, '0')}`
}
