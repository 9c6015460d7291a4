import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

const root = new URL('../../', import.meta.url)
const text = readFileSync(new URL('docs/security.md', root), 'utf8')

/** The rows of the tables, without their heads: each a class of mistakes, and what shows that it is not here. */
const rows = [...text.matchAll(/^\| (.+?) \| (.+?) \|(.*)\|$/gm)]
  .map(([, mistake = '', , shownBy = '']) => ({ mistake, shownBy }))
  .filter(({ mistake }) => mistake !== 'mistake')

/** What shows it: the files, and each file's titles. */
function tests(shownBy: string): { file: string; titles: string[] }[] {
  return shownBy.split('; ').map((part) => ({
    file: /^ ?`([\w/-]+)` /.exec(part)?.[1] ?? part,
    titles: [...part.matchAll(/“([^”]+)”/g)].map(([, title = '']) => title),
  }))
}

describe('docs/security.md', () => {
  it('has a test for every class of mistakes', () => {
    expect(rows.length).toBeGreaterThan(20)
    const unshown = rows.filter(({ shownBy }) => shownBy.trim() === '')
    expect(unshown.map(({ mistake }) => mistake)).toEqual([])
  })

  it.each(rows)('names tests that exist: $mistake', ({ shownBy }) => {
    for (const { file, titles } of tests(shownBy)) {
      const path = new URL(`test/${file}.test.ts`, root)
      expect([file, existsSync(path)]).toEqual([file, true])
      const source = readFileSync(path, 'utf8')
      expect([file, titles.filter((title) => !source.includes(`'${title}'`))]).toEqual([file, []])
      expect([file, titles.length]).not.toEqual([file, 0])
    }
  })
})
