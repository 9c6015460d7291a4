/** One table of the report, for a terminal or for a document: the texts of its cells. */
export interface Table {
  readonly title: string
  /** What a reader has to know to understand the table, in paragraphs. */
  readonly about?: readonly string[]
  readonly heading: readonly string[]
  readonly rows: readonly (readonly string[])[]
}

/** A table as text for a terminal, with an empty line above it. */
export function tableText({ title, about = [], heading, rows }: Table): string {
  return `\n${[title, ...about].join('\n')}\n${[heading, ...rows].map(textRow).join('\n')}`
}

function textRow([name = '', ...columns]: readonly string[]): string {
  return `${name.padEnd(24)}${columns.map((text) => ` ${text.padStart(16)}`).join('')}`.trimEnd()
}

/** A table as a section of Markdown, as oxfmt leaves it: columns as wide as their widest cell. */
export function tableMarkdown({ title, about = [], heading, rows }: Table): string {
  const widths = heading.map((_, i) =>
    Math.max(4, ...[heading, ...rows].map((cells) => cells[i]?.length ?? 0)),
  )
  const line = (cells: readonly string[]): string =>
    `| ${widths.map((width, i) => (i === 0 ? (cells[i] ?? '').padEnd(width) : (cells[i] ?? '').padStart(width))).join(' | ')} |`
  const rule = widths.map((width, i) => (i === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`))
  const table = [line(heading), line(rule), ...rows.map(line)].join('\n')
  return [`## ${title}`, ...about, table].join('\n\n')
}
