import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseAnsi } from '../../src/report/ansi.ts'

const ESC = '\u001B'

function styled(text: string): string {
  return parseAnsi(text)
    .map(({ text: run, classes }) => (classes.length > 0 ? `<${classes.join(' ')}|${run}>` : run))
    .join('')
}

describe('text for a terminal', () => {
  it.each([
    ['plain', 'plain'],
    [`${ESC}[0;32m  OK  ${ESC}[0m done`, '<fg2|  OK  > done'],
    [`${ESC}[1;31mA${ESC}[22mB${ESC}[39mC`, '<bold fg1|A><fg1|B>C'],
    [`${ESC}[91;104mA${ESC}[mB`, '<fg9 bg12|A>B'],
    [`${ESC}[38;5;3mA${ESC}[38;5;200mB${ESC}[0m`, '<fg3|A><fg3|B>'],
    [`${ESC}[38;2;1;31;3mA`, 'A'],
    [`${ESC}[2mfaint`, '<faint|faint>'],
  ])('%j keeps colours and weight', (text, expected) => expect(styled(text)).toBe(expected))

  it.each([
    [`a${ESC}[2Kb${ESC}[12;3Hc${ESC}[?25ld`, 'abcd'],
    [`a${ESC}]0;title\u0007b${ESC}]8;;http://x${ESC}\\c`, 'abc'],
    [`a${ESC}(Bb${ESC}=c${ESC}7d`, 'abcd'],
    [`a${ESC}[`, 'a'],
    [`a${ESC}]never ends`, 'a'],
    [`a${ESC}`, 'a'],
  ])('%j loses all else', (text, expected) => expect(styled(text)).toBe(expected))

  it('never leaves an escape character, and takes nothing from plain text', () => {
    const piece = fc.oneof(
      fc.string(),
      fc.constantFrom(ESC, '[', ']', ';', 'm', '3', '\u0007', '\\'),
    )
    fc.assert(
      fc.property(fc.array(piece), (pieces) => {
        const text = pieces.join('')
        const whole = parseAnsi(text)
          .map((run) => run.text)
          .join('')
        expect(whole).not.toContain(ESC)
        expect(text.includes(ESC) || whole === text).toBe(true)
      }),
    )
  })

  it('takes little processor time for what never ends', () => {
    const start = process.cpuUsage()
    parseAnsi(`${ESC}]`.repeat(100_000))
    parseAnsi(`${ESC}[${'1;'.repeat(1_000_000)}`)
    expect(process.cpuUsage(start).user).toBeLessThan(5_000_000)
  })
})
