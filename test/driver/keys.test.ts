import { describe, expect, it } from 'vitest'
import { keysOfCharacter, keysOfCombination } from '../../src/driver/keys.ts'

function names(keys: readonly { readonly data: string | number }[]): unknown[] {
  return keys.map(({ data }) => data)
}

describe('the keys of a character', () => {
  it('are there for all of ASCII that is printed', () => {
    const made = new Set<string>()
    for (let code = 0x20; code < 0x7f; code++)
      made.add(names(keysOfCharacter(String.fromCodePoint(code))).join('-'))
    expect(made.size).toBe(0x7f - 0x20)
  })

  it('hold shift for the upper character of a key', () => {
    expect(names(keysOfCharacter('a'))).toEqual(['a'])
    expect(names(keysOfCharacter('A'))).toEqual(['shift', 'a'])
    expect(names(keysOfCharacter('0'))).toEqual(['0'])
    expect(names(keysOfCharacter(')'))).toEqual(['shift', '0'])
    expect(names(keysOfCharacter('@'))).toEqual(['shift', '2'])
    expect(names(keysOfCharacter('"'))).toEqual(['shift', 'apostrophe'])
    expect(names(keysOfCharacter('\n'))).toEqual(['ret'])
  })

  it('are an error for a character that a US keyboard does not have', () => {
    expect(() => keysOfCharacter('é')).toThrow('the character "é"')
    expect(() => keysOfCharacter('\0')).toThrow(RangeError)
  })
})

describe('the keys of a combination', () => {
  it('are those that it names, in their order', () => {
    expect(names(keysOfCombination('ctrl-alt-delete'))).toEqual(['ctrl', 'alt', 'delete'])
    expect(names(keysOfCombination('ret'))).toEqual(['ret'])
    expect(names(keysOfCombination('meta_l-F2'))).toEqual(['meta_l', 'f2'])
    expect(names(keysOfCombination('Ctrl-Enter'))).toEqual(['ctrl', 'ret'])
  })

  it('may have characters and numbers in it', () => {
    expect(names(keysOfCombination('ctrl-l'))).toEqual(['ctrl', 'l'])
    expect(names(keysOfCombination('alt-A'))).toEqual(['alt', 'shift', 'a'])
    expect(names(keysOfCombination('-'))).toEqual(['minus'])
    expect(keysOfCombination('shift-0x0C')).toEqual([
      { type: 'qcode', data: 'shift' },
      { type: 'number', data: 12 },
    ])
  })

  it('are an error if a part is missing', () => {
    expect(() => keysOfCombination('')).toThrow('names no key')
  })
})
