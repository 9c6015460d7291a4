import { offset } from '../util/format.ts'
import { type Html, html } from './html.ts'
import { preformatted } from './preformatted.ts'
import { terminalText } from './terminal-text.ts'

/** A line of a long text, and when it was written, in milliseconds from the beginning. */
interface Line {
  readonly text: string
  readonly at?: number
}

/**
 * A long text that can be searched, such as a console.
 *
 * @param what it is called, as in "the console".
 */
export function textView(what: string, lines: readonly Line[]): Html {
  if (lines.length === 0) return html`<p class="nothing">Nothing in ${what}.</p>`
  return html`<div data-search>
    <p class="tools">
      <input type="search" placeholder="Search ${what}" aria-label="Search ${what}" />
      <button type="button" data-step="-1">Previous</button>
      <button type="button" data-step="1">Next</button>
      <output></output>
    </p>
    ${preformatted(lines.map(lineHtml), 'lines', what)}
  </div>`
}

/** Times are put there by the style sheet, so that they are not copied along. */
function lineHtml({ text, at }: Line): Html {
  const time = at === undefined ? undefined : html` data-at="${offset(at)}"`
  return html`<span class="line" ${time}>${terminalText(text)}${'\n'}</span>`
}
