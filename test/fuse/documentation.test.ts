import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { messages } from '../../src/fuse/wire/messages.ts'

const root = new URL('../../', import.meta.url)
const text = readFileSync(new URL('docs/protocol-fuse.md', root), 'utf8')
const rows = [...text.matchAll(/^\| ([A-Z_0-9]+) (\d+) \|.*\|$/gm)]

describe('docs/protocol-fuse.md', () => {
  it('has every request of the table, in its order', () => {
    const documented = rows.map(([, name, opcode]) => [name, Number(opcode)])
    const table = Object.entries(messages).map(([name, { opcode }]) => {
      return [name.replaceAll(/[A-Z]/g, '_$&').toUpperCase(), opcode]
    })
    expect(documented).toEqual(table)
  })

  it('names tests that exist, at least one for each request', () => {
    for (const [row] of rows) {
      const tests = row.slice(row.lastIndexOf('|', row.length - 2)).match(/[\w/-]+/g) ?? []
      expect([row, tests.length > 0]).toEqual([row, true])
    }
    const folders = 'fuse|faults|transport|conformance|vm|fuzz|cli'
    const named = [...text.matchAll(new RegExp(`\`((?:${folders})/[\\w/-]+)\``, 'g'))]
    expect(named.length).toBeGreaterThan(rows.length)
    for (const [, name] of named) {
      expect([name, existsSync(new URL(`test/${name}.test.ts`, root))]).toEqual([name, true])
    }
  })
})
