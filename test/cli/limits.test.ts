import { describe, expect, it } from 'vitest'
import { limitHelp, parseLimits } from '../../src/cli/limits.ts'
import { defaultLimits, limitTable } from '../../src/session/session-limits.ts'

describe('limits', () => {
  it('are the defaults where none is named', () => {
    expect(parseLimits([])).toEqual(defaultLimits)
    expect(parseLimits(['fids=100', 'connections=1'])).toEqual({
      ...defaultLimits,
      fids: 100,
      connections: 1,
    })
    expect(parseLimits(['fids=100', 'fids=200']).fids).toBe(200)
  })

  it.each(Object.entries(limitTable))('%s has a range with its default in it', (name, row) => {
    expect(row.default).toBeGreaterThanOrEqual(row.least)
    expect(row.default).toBeLessThanOrEqual(row.most)
    for (const number of [row.least, row.most]) {
      expect(parseLimits([`${name}=${number}`])).toMatchObject({ [name]: number })
    }
    for (const number of [row.least - 1, row.most + 1, '', 'many', '1.5', '-1']) {
      expect(() => parseLimits([`${name}=${number}`])).toThrow(
        `--limit ${name} ${number} is not a whole number from ${row.least} to ${row.most}.`,
      )
    }
    expect(limitHelp()).toMatch(new RegExp(`^  ${name} +.*\\(default ${row.default}, `, 'm'))
  })

  it.each(['', 'fids', 'Fids=1', 'files=1', '=1', 'constructor=1'])('are not %j', (text) => {
    expect(() => parseLimits([text])).toThrow(
      `--limit ${text}: use NAME=NUMBER, where NAME is one of connections, `,
    )
  })
})
