/** The size from which on texts are not joined any more, in characters. */
const PART = 64 * 1024

/**
 * A piece of HTML, in which all text is escaped. A long one consists of parts, which are never joined: a JavaScript string
 * has at most 2^29 - 24 characters, and what guests print may be more in a report of many machines.
 */
export class Html {
  readonly parts: readonly string[]

  constructor(text: string | readonly string[]) {
    this.parts = typeof text === 'string' ? [text] : text
  }

  /** All of it, if it is not too long. */
  get text(): string {
    return this.parts.join('')
  }
}

/** What can be put into HTML: nothing for `undefined`, `null` and `false`. */
export type Content = Html | string | number | false | null | undefined | readonly Content[]

/** Makes HTML from a template; escapes each value that is not HTML already. */
export function html(strings: TemplateStringsArray, ...contents: readonly Content[]): Html {
  const parts = new Parts()
  parts.add(strings[0] ?? '')
  for (const [index, content] of contents.entries()) {
    render(content, parts)
    parts.add(strings[index + 1] ?? '')
  }
  return new Html(parts.all)
}

/** Joins short texts to parts of about {@link PART} characters. */
class Parts {
  readonly all: string[] = []

  add(text: string): void {
    const last = this.all.at(-1)
    if (last === undefined || last.length + text.length > PART) this.all.push(text)
    else this.all[this.all.length - 1] = last + text
  }
}

function render(content: Content, parts: Parts): void {
  if (content === undefined || content === null || content === false) return
  if (content instanceof Html) for (const part of content.parts) parts.add(part)
  else if (typeof content === 'object') for (const each of content) render(each, parts)
  else parts.add(escape(String(content)))
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
