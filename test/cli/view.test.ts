import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { UserError } from '../../src/cli/user-error.ts'
import { parseView } from '../../src/cli/view.ts'
import { shows } from '../../src/tree/view/sight.ts'
import { temporaryDirectory } from '../support/temporary.ts'

function file(content: string | Uint8Array): string {
  const path = join(temporaryDirectory(), 'patterns')
  writeFileSync(path, content)
  return path
}

describe('the options of a view', () => {
  it('add up', () => {
    expect(parseView({})).toEqual({ hide: [] })
    expect(parseView({ hide: ['a', 'b'] })).toEqual({ hide: ['a', 'b'] })
    const from = [file('/nix/store/a\n\n b \n'), file('\ufeffé')]
    expect(parseView({ only: ['x'], 'only-from': from })).toEqual({
      only: ['x', '/nix/store/a', ' b ', 'é'],
      hide: [],
    })
  })

  it('take more lines than a call has arguments', () => {
    const lines = Array.from({ length: 300_000 }, (_, i) => `${i}`).join('\n')
    expect(parseView({ 'only-from': [file(lines)] }).only?.length).toBe(300_000)
  })

  it.each([
    ['an odd pattern', () => ({ only: ['a', '..'] }), '--only: the pattern "..": .. is no name.'],
    ['an odd pattern', () => ({ hide: ['['] }), '--hide: the pattern "[": a [ is not closed'],
    ['an odd line', () => ({ 'only-from': [file('a\nb//c')] }), 'patterns: the pattern "b//c": '],
    ['an empty file', () => ({ 'only-from': [file('\n\n')] }), 'patterns has no pattern in it.'],
    ['other bytes', () => ({ 'only-from': [file(Buffer.of(0x61, 0xff))] }), 'is not UTF-8 text.'],
    ['no file', () => ({ 'only-from': ['/no/file'] }), 'cannot be read: there is no such file'],
  ])('refuse %s', (_case, values, words) => {
    const given = values()
    expect(() => parseView(given)).toThrow(UserError)
    expect(() => parseView(given)).toThrow(words)
  })

  it('say whether a directory is seen', () => {
    const view = { only: ['usr', 'lib/modules/6.1'], hide: ['usr/lib/modules'] }
    const seen = ['/usr', '/usr/lib/x', '/lib', '/lib/modules/6.1', '/lib/modules/6.1/kernel', '/']
    const unseen = ['/bin', '/usr/lib/modules/6.1', '/lib/modules/6.2']
    expect([...seen, ...unseen].filter((path) => shows(view, path))).toEqual(seen)
  })
})
