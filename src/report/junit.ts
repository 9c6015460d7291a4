import { mkdir, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { parseAnsi } from './ansi.ts'
import { type FileResult, type TestResult, type TestRun, nameOf, totalsOf } from './results.ts'

/** Writes a run's results for other programs, whose folder is made if need be. */
export async function writeJunit(file: string, run: TestRun): Promise<void> {
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, junit(run))
}

/**
 * The results as JUnit's XML: a suite for each file, a case for each test. There is no standard of it; this is what
 * Jenkins, GitLab and others read. Times are in seconds.
 */
export function junit({ files, duration }: TestRun): string {
  const suites = files.map((file) => suite(file))
  const lines = [
    '<?xml version="1.0" encoding="UTF-8"?>',
    element('testsuites', { ...counts(files), time: seconds(duration) }, suites),
  ]
  return `${lines.join('\n')}\n`
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
    // ISO 8601 without fractions and zone is what its readers expect; it is UTC.
    timestamp: new Date(start).toISOString().slice(0, 19),
  }
  return element('testsuite', attributes, children)
}

function testCase(file: string, { name, status, duration, failure, reason }: TestResult): string {
  const children: string[] = []
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
  const { passed, failed, skipped } = totalsOf(files)
  return {
    tests: String(passed + failed + skipped),
    failures: String(failed),
    errors: '0',
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
  const words = Object.entries(attributes).map(([key, value]) => ` ${key}="${attribute(value)}"`)
  const start = `<${name}${words.join('')}`
  if (children.length === 0) return `${start}/>`
  // White space would be part of a text.
  const isText = children.length === 1 && !children[0]?.startsWith('<')
  const between = isText ? '' : '\n'
  return [`${start}>`, ...children, `</${name}>`].join(between)
}

/** Text between tags; colours are of no use there. */
function text(value: string): string {
  const plain = parseAnsi(value)
    .map((run) => run.text)
    .join('')
  return escape(plain)
}

/** Text in a quoted attribute, where line ends and tabs would become blanks (XML 1.0, 3.3.3). */
function attribute(value: string): string {
  return text(value).replaceAll('"', '&quot;').replaceAll('\n', '&#10;').replaceAll('\t', '&#9;')
}

/** Also what must not be in XML 1.0 at all (2.2): most control characters, and halves of surrogate pairs. */
function escape(value: string): string {
  return (
    value
      .replaceAll('\r\n', '\n')
      // oxlint-disable-next-line no-control-regex -- they are what is looked for
      .replaceAll(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\ufffe\uffff]/g, '\ufffd')
      .replaceAll(/\p{Surrogate}/gu, '\ufffd')
      .replaceAll('&', '&amp;')
      .replaceAll('<', '&lt;')
      // Not in "]]>".
      .replaceAll('>', '&gt;')
  )
}
