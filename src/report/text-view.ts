import { offset } from '../util/format.ts'
import { parseAnsi } from './ansi.ts'
import { type Content, Html, html } from './html.ts'

/** Text as it is, in a box of its own that can be scrolled with the keyboard. */
export function preformatted(content: Content, className = '', label?: string): Html {
  const named = label === undefined ? '' : html` aria-label="${label}"`
  const { text } = html`class="text ${className}" tabindex="0"${named}`
  // HTML drops a newline right behind <pre>, so one is added for it to drop.
  return html`${new Html(`<pre ${text}>\n`)}${content}${new Html('</pre>')}`
}

/** Text that was written for a terminal, in its colours. */
export function terminalText(text: string): Html {
  const runs = parseAnsi(text)
  return html`${runs.map((run) =>
    run.classes.length === 0
      ? run.text
      : html`<span class="${run.classes.join(' ')}">${run.text}</span>`,
  )}`
}

/** A line of a long text, and when it was written, in milliseconds since the beginning. */
interface Line {
  readonly text: string
  readonly at?: number
  /** Whether it is not part of the text, but says what is left out of it. */
  readonly isGap?: boolean
}

/**
 * A long text that can be searched, such as a console.
 *
 * @param what its name in a sentence, such as "the console".
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

/** The style sheet shows the time, so that it is not copied with the text. */
function lineHtml({ text, at, isGap = false }: Line): Html {
  if (isGap) return html`<span class="line gap">[${text}]${'\n'}</span>`
  const time = at === undefined ? undefined : html` data-at="${offset(at)}"`
  return html`<span class="line" ${time}>${terminalText(text)}${'\n'}</span>`
}
