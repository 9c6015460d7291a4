import fc from 'fast-check'
import { SaxesParser } from 'saxes'
import { describe, expect, it } from 'vitest'
import { junit } from '../../src/report/junit.ts'
import type { TestRun } from '../../src/report/results.ts'
import { temporaryDirectory } from '../support/temporary.ts'
import { HOSTILE, START, fileResult, sampleRun, testResult } from './sample.ts'

interface Element {
  readonly name: string
  readonly attributes: Readonly<Record<string, string>>
  readonly children: Element[]
  text: string
}

/** The root element of a document, which has to be well-formed. */
function parse(xml: string): Element {
  const parser = new SaxesParser()
  const root: Element = { name: '', attributes: {}, children: [], text: '' }
  const open = [root]
  parser.on('error', (error) => {
    throw error
  })
  parser.on('opentag', ({ name, attributes }) => {
    const element: Element = { name, attributes, children: [], text: '' }
    open.at(-1)!.children.push(element)
    open.push(element)
  })
  parser.on('closetag', () => open.pop())
  parser.on('text', (text) => {
    open.at(-1)!.text += text
  })
  parser.write(xml).close()
  return root.children[0]!
}

function written(run: TestRun): Element {
  return parse([...junit(run)].join(''))
}

describe('JUnit XML', () => {
  it('has a suite for each file and a case for each test', () => {
    const suites = written(sampleRun(temporaryDirectory()))
    expect(suites).toMatchObject({
      name: 'testsuites',
      attributes: { tests: '3', failures: '1', skipped: '1', time: '42.000' },
    })
    const [nginx, units] = suites.children
    expect(nginx).toMatchObject({
      name: 'testsuite',
      attributes: {
        name: 'nginx.vm.test.ts',
        tests: '2',
        failures: '1',
        skipped: '1',
        timestamp: '2026-05-17T09:30:00',
      },
      children: [
        {
          name: 'testcase',
          attributes: { name: 'web › answers', classname: 'nginx.vm.test.ts', time: '20.000' },
          children: [{ name: 'failure', attributes: { message: 'curl ended with 7' } }],
        },
        { children: [{ name: 'skipped', attributes: { message: 'no journal' } }] },
      ],
    })
    expect(units!.children).toMatchObject([
      { name: 'testcase', children: [] },
      { name: 'system-out', text: 'a word of its own\n' },
    ])
  })

  it('says whatever failed as far as XML can say it', () => {
    const suites = written(sampleRun(temporaryDirectory()))
    const failure = suites.children[0]!.children[0]!.children[0]!
    expect(failure.text).toContain('</script></pre></template><script>window.stolen=1</script>')
    expect(failure.text).toContain('\ufffd\ufffdred ')
    expect(failure.text).toMatch(/"'&amp;$/)
  })

  it('has an error for a test that was interrupted', () => {
    const test = testResult(['waits'], [0, 1], { status: 'interrupted', reason: 'ended by SIGINT' })
    const files = [fileResult('/', 'a.vm.test.ts', [test], { interrupted: true })]
    const suites = written({ start: START, duration: 0, files })
    expect(suites.attributes).toMatchObject({ tests: '1', failures: '0', errors: '1' })
    const [error] = suites.children[0]!.children[0]!.children
    expect(error).toMatchObject({ name: 'error', attributes: { message: 'ended by SIGINT' } })
  })

  it('counts what failed outside of the tests of a file', () => {
    const failure = { message: 'it cannot be loaded', text: 'SyntaxError: …' }
    const files = [fileResult('/', 'a.vm.test.ts', [], { failure })]
    const suites = written({ start: START, duration: 0, files })
    expect(suites.attributes).toMatchObject({ tests: '1', failures: '1' })
    expect(suites.children[0]!.children).toMatchObject([
      { children: [{ name: 'failure', attributes: { message: 'it cannot be loaded' } }] },
    ])
  })

  it('is well-formed and keeps names whatever they are', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 40 }), (name) => {
        const failure = { message: name, text: `${name}]]>${HOSTILE}` }
        const tests = [testResult([name], [0, 1], { status: 'failed', failure })]
        const files = [fileResult('/', name, tests, { output: name })]
        const suites = written({ start: START, duration: 0, files })
        const test = suites.children[0]!.children[0]!
        expect(test.children[0]!.attributes['message']).toBe(test.attributes['name'])
        expect(!/^[ -~]*$/.test(name) || test.attributes['name'] === name).toBe(true)
      }),
    )
  })

  it('keeps line ends in a message', () => {
    const failure = { message: 'one\n\ttwo "three"', text: '' }
    const tests = [testResult(['x'], [0, 1], { status: 'failed', failure })]
    const files = [fileResult('/', 'a', tests)]
    const test = written({ start: START, duration: 0, files }).children[0]!.children[0]!
    expect(test.children[0]!.attributes['message']).toBe('one\n\ttwo "three"')
  })
})
