import { afterEach, expect, it, vi } from 'vitest'
import { TestPrinter } from '../../src/cli/test-printer.ts'

/** What is printed on standard output, line by line. */
function printed(): string[] {
  const lines: string[] = []
  vi.spyOn(console, 'log').mockImplementation((line: string) => {
    lines.push(line)
  })
  return lines
}

afterEach(() => {
  vi.restoreAllMocks()
})

it('prints whole lines, however they come', () => {
  const lines = printed()
  using printer = new TestPrinter({ isMixed: false, isStill: true })
  for (const text of ['on', 'e\ntw', 'o\nthr', 'ee']) printer.onOutput('a', text)
  expect(lines).toEqual(['  | one', '  | two'])
})

it('keeps no line that never ends', () => {
  const lines = printed()
  using printer = new TestPrinter({ isMixed: false, isStill: true })
  for (let i = 0; i < 100; i += 1) printer.onOutput('a', 'x'.repeat(10_000))
  expect(lines.join('').replaceAll(/[^x]/g, '').length).toBeGreaterThan(900_000)
})
