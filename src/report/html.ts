/** A piece of HTML, in which all text is escaped. */
export class Html {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

/** What can be put into HTML: nothing for `undefined`, `null` and `false`. */
export type Content = Html | string | number | false | null | undefined | readonly Content[]

/** Makes HTML from a template; escapes each value that is not HTML already. */
export function html(strings: TemplateStringsArray, ...contents: readonly Content[]): Html {
  let text = strings[0] ?? ''
  for (const [index, content] of contents.entries()) {
    text += render(content) + (strings[index + 1] ?? '')
  }
  return new Html(text)
}

function render(content: Content): string {
  if (content === undefined || content === null || content === false) return ''
  if (content instanceof Html) return content.text
  if (typeof content === 'object') return content.map(render).join('')
  return escape(String(content))
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/** Escapes text for any place within an element or a quoted attribute. */
function escape(text: string): string {
  return visible(text).replaceAll(/[&<>"']/g, (character) => entities[character] ?? '')
}

/**
 * Makes characters visible that are not, or that change how the text around them is shown: control characters
 * become their pictures (U+2400 and following); those for the direction of writing and halves of surrogate pairs
 * become U+FFFD.
 */
function visible(text: string): string {
  return (
    text
      .replaceAll('\r\n', '\n')
      // oxlint-disable-next-line no-control-regex -- it looks for control characters
      .replaceAll(/[\u0000-\u0008\u000b-\u001f\u007f]/g, (character) => {
        const code = character.charCodeAt(0)
        return String.fromCharCode(code === 0x7f ? 0x2421 : 0x2400 + code)
      })
      .replaceAll(/[\u0080-\u009f\u202a-\u202e\u2066-\u2069]/g, '\ufffd')
      .replaceAll(/\p{Surrogate}/gu, '\ufffd')
  )
}
