import { parseAnsi } from './ansi.ts'
import { type Html, html } from './html.ts'

/** What was written for a terminal, in its colours. */
export function terminalText(text: string): Html {
  const runs = parseAnsi(text)
  return html`${runs.map((run) =>
    run.classes.length === 0
      ? run.text
      : html`<span class="${run.classes.join(' ')}">${run.text}</span>`,
  )}`
}
