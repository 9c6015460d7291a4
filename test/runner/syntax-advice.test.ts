import { describe, expect, it } from 'vitest'
import { syntaxAdvice } from '../../src/runner/syntax-advice.ts'

/** What Node prints for a file with this line in it. */
function complaint(line: string, error = "SyntaxError: Unexpected identifier 'vm'"): string {
  return `file:///tests/a.vm.test.ts:3\n${line}\n              ^^\n\n${error}\n    at node:internal\n`
}

describe('the advice for a SyntaxError', () => {
  it.each([
    '  await using vm = await boot({ root })',
    'using vm = open()',
    '  for (await using vm of machines) {',
  ])('is there for %j', (line) => {
    const advice = syntaxAdvice(complaint(line), 'v22.18.0')
    expect(advice).toMatch(/^`await using` needs Node\.js 24, and this is v22\.18\.0\. Use `boot/)
    expect(advice).toContain('finally { await vm[Symbol.asyncDispose]() }')
  })

  it.each([
    ['another mistake', complaint('const = 1')],
    ['an error that is thrown', complaint('  await using vm = boot()', 'TypeError: no')],
    ['a word of a text', 'await using vm = …\nSyntaxError: x'],
  ])('is not there for %s', (_what, output) => {
    expect(syntaxAdvice(output)).toBeUndefined()
  })
})
