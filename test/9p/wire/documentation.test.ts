import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { messages } from '../../../src/9p/index.ts'

const root = new URL('../../../', import.meta.url)
const text = readFileSync(new URL('docs/protocol.md', root), 'utf8')
const rows = [...text.matchAll(/^\| T(\w+) (\d+) \|.*\|$/gm)]

describe('docs/protocol.md', () => {
  it('has every request of the table, in its order', () => {
    const documented = rows.map(([, name, type]) => [name, Number(type)])
    expect(documented).toEqual(Object.entries(messages).map(([name, { type }]) => [name, type]))
  })

  it('names tests that exist, at least one for each request', () => {
    for (const [row] of rows) {
      const tests = row.slice(row.lastIndexOf('|', row.length - 2)).match(/[\w/-]+/g) ?? []
      expect(tests.length).toBeGreaterThan(0)
      for (const name of tests) {
        expect([name, existsSync(new URL(`test/${name}.test.ts`, root))]).toEqual([name, true])
      }
    }
  })
})
