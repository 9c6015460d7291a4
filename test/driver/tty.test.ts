import { describe, expect, it } from 'vitest'
import { ttyText } from '../../src/driver/tty.ts'

/** What the guest reads of a terminal that shows these lines, all of one length. */
function terminal(...lines: readonly string[]): Buffer {
  const cells = lines.flatMap((line) => Array.from(line, (c) => c.codePointAt(0) ?? 0))
  return Buffer.concat([
    Buffer.from([lines.length, Array.from(lines[0] ?? '').length, 0, 0]),
    Buffer.from(new Uint32Array(cells).buffer),
  ])
}

describe("a terminal's text", () => {
  it('is its lines, without what is blank at their ends and behind them', () => {
    expect(ttyText(terminal('login: ', '       ', ' é 😀   ', '       '))).toBe('login:\n\n é 😀')
    expect(ttyText(terminal('   ', '   '))).toBe('')
  })

  it('has a replacement for a cell without a character', () => {
    const bytes = terminal('a')
    bytes.writeUInt32LE(0xffff_ffff, 4)
    expect(ttyText(bytes)).toBe('\u{FFFD}')
  })

  it('is an error if cells are missing', () => {
    expect(() => ttyText(terminal('abc').subarray(0, -1))).toThrow('1 lines of 3')
    expect(() => ttyText(Buffer.alloc(0))).toThrow('0 bytes')
  })
})
