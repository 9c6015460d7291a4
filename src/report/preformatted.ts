import { type Content, Html, html } from './html.ts'

/** Text as it is, in a box of its own that can be scrolled with the keyboard. */
export function preformatted(content: Content, className = '', label?: string): Html {
  const named = label === undefined ? '' : html` aria-label="${label}"`
  const { text } = html`class="text ${className}" tabindex="0"${named}`
  // A newline right behind <pre> is no part of the text, so one is given.
  return html`${new Html(`<pre ${text}>\n`)}${content}${new Html('</pre>')}`
}
