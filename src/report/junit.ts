import { mkdir, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { parseAnsi } from './ansi.ts'
import { type FileResult, type TestResult, type TestRun, nameOf, totalsOf } from './results.ts'

/** Writes the results of a run to a file for other programs, and makes the file's folder if there is none. */
export async function writeJunit(file: string, run: TestRun): Promise<void> {
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, junit(run))
}

/**
 * The results as JUnit XML, in parts, each of which is written before the next one is made: a suite for each file, a case
 * for each test. The format has no standard; Jenkins, GitLab and others read this form. Times are in seconds.
 */
export function* junit({ files, duration }: TestRun): Generator<string> {
  yield '<?xml version="1.0" encoding="UTF-8"?>\n'
  const all = { ...counts(files), time: seconds(duration) }
  if (files.length === 0) {
    yield `${element('testsuites', all)}\n`
    return
  }
  yield `${startTag('testsuites', all)}>\n`
  for (const file of files) yield `${suite(file)}\n`
  yield '</testsuites>\n'
}

function suite(file: FileResult): string {
  const { name, start, duration, tests, failure, output } = file
  const whole: TestResult[] = failure
    ? [{ name: ['The whole file'], status: 'failed', start, duration: 0, failure }]
    : []
  const children = [...whole, ...tests].map((test) => testCase(name, test))
  if (output !== '') children.push(element('system-out', {}, [text(output)]))
  const attributes = {
    name,
    ...counts([file]),
    time: seconds(duration),
    // UTC. The programs that read it expect ISO 8601 without fractions and zone.
    timestamp: new Date(start).toISOString().slice(0, 19),
  }
  return element('testsuite', attributes, children)
}

function testCase(file: string, { name, status, duration, failure, reason }: TestResult): string {
  const children: string[] = []
  if (status === 'interrupted') {
    children.push(element('error', { message: reason ?? status }))
  }
  if (status === 'failed') {
    const attributes = { message: failure?.message ?? 'failed' }
    children.push(element('failure', attributes, [text(failure?.text ?? '')]))
  }
  if (status === 'skipped') {
    children.push(element('skipped', reason === undefined ? {} : { message: reason }))
  }
  const attributes = { name: nameOf(name), classname: file, file, time: seconds(duration) }
  return element('testcase', attributes, children)
}

function counts(files: readonly FileResult[]): Readonly<Record<string, string>> {
  const { passed, failed, skipped, interrupted } = totalsOf(files)
  return {
    tests: String(passed + failed + skipped + interrupted),
    failures: String(failed),
    errors: String(interrupted),
    skipped: String(skipped),
  }
}

function seconds(milliseconds: number): string {
  return (milliseconds / 1000).toFixed(3)
}

function element(
  name: string,
  attributes: Readonly<Record<string, string>>,
  children: readonly string[] = [],
): string {
  const start = startTag(name, attributes)
  if (children.length === 0) return `${start}/>`
  // Line breaks around a text would be part of it.
  const isText = children.length === 1 && !children[0]?.startsWith('<')
  const between = isText ? '' : '\n'
  return [`${start}>`, ...children, `</${name}>`].join(between)
}

/** The start of a tag, without the bracket that ends it. */
function startTag(name: string, attributes: Readonly<Record<string, string>>): string {
  const words = Object.entries(attributes).map(([key, value]) => ` ${key}="${attribute(value)}"`)
  return `<${name}${words.join('')}`
}

/** Text between tags, without its colours. */
function text(value: string): string {
  const plain = parseAnsi(value)
    .map((run) => run.text)
    .join('')
  return escape(plain)
}

/** Text in a quoted attribute. Line ends and tabs are escaped, since they would become blanks (XML 1.0, 3.3.3). */
function attribute(value: string): string {
  return text(value).replaceAll('"', '&quot;').replaceAll('\n', '&#10;').replaceAll('\t', '&#9;')
}

/** Escapes text, and replaces characters that XML 1.0 does not allow (2.2): most control characters, halves of surrogate pairs. */
function escape(value: string): string {
  return (
    value
      .replaceAll('\r\n', '\n')
      // oxlint-disable-next-line no-control-regex -- it looks for control characters
      .replaceAll(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\ufffe\uffff]/g, '\ufffd')
      .replaceAll(/\p{Surrogate}/gu, '\ufffd')
      .replaceAll('&', '&amp;')
      .replaceAll('<', '&lt;')
      // For "]]>", which may not be in a text (2.4).
      .replaceAll('>', '&gt;')
  )
}
