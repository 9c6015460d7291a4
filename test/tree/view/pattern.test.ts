import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fromText } from '../../../src/util/text.ts'
import { charactersOf } from '../../../src/tree/view/characters.ts'
import { PatternError } from '../../../src/tree/view/glob.ts'
import { Sight, type ViewPatterns } from '../../../src/tree/view/sight.ts'

/** Whether a view shows what is at `path`, a directory if it ends with a slash. */
function shows(patterns: ViewPatterns, path: string): boolean {
  return seen(Sight.of(patterns), path)
}

function seen(root: Sight, path: string): boolean {
  const names = path.split('/')
  const directory = names.at(-1) === ''
  if (directory) names.pop()
  let sight: Sight | null = root
  for (const name of names) {
    sight = sight.at(fromText(name))
    if (sight === null) return false
  }
  return directory || sight.shown
}

/** Of all paths, those that are shown. */
function shown(patterns: ViewPatterns, ...paths: readonly string[]): string[] {
  return paths.filter((path) => shows(patterns, path))
}

describe('--only', () => {
  it('shows what matches, what is below, and the directories that lead there', () => {
    const patterns = { only: ['nix/store/abc', '/etc/passwd', 'srv/www/'] }
    const yes = ['nix/', 'nix/store/', 'nix/store/abc', 'nix/store/abc/', 'nix/store/abc/bin/sh']
    const more = ['etc/', 'etc/passwd', 'etc/passwd/', 'srv/www', 'srv/www/a/b/']
    const no = ['nix', 'nix/store', 'nix/store/abcd', 'nix/store/ab/', 'nix/x/abc', 'store/abc']
    const others = ['etc/shadow', 'etc', 'abc', 'usr/', 'srv', 'srv/ww/', 'nix/store/x/abc']
    expect(shown(patterns, ...yes, ...no, ...more, ...others)).toEqual([...yes, ...more])
  })

  it('without a pattern shows nothing', () => {
    expect(shown({ only: [] }, 'a', 'a/')).toEqual([])
  })
})

describe('--hide', () => {
  it('hides what matches and what is below, whatever --only says', () => {
    const hide = ['home/*/.ssh', '**/*.key']
    const paths = ['home/', 'home/me/', 'home/me/.sshd', 'home/me/x/.ssh/', 'a.key/b', 'a/b/c.key']
    expect(shown({ hide }, ...paths, 'home/me/.ssh/', 'home/me/.ssh/id', 'a.key')).toEqual(
      paths.slice(0, 4),
    )
    const patterns = { only: ['home/me', 'home/me/.ssh/id', '**/b.key'], hide }
    expect(shown(patterns, ...paths, 'home/me/.ssh/id', 'b.key', 'home/me/c', 'a/')).toEqual([
      'home/',
      'home/me/',
      'home/me/.sshd',
      'home/me/x/.ssh/',
      'home/me/c',
      // Leads to any b.key, though that is hidden.
      'a/',
    ])
  })
})

describe('wildcards', () => {
  const cases: [pattern: string, yes: string[], no: string[]][] = [
    ['*', ['a', '.a', 'ab/c'], []],
    ['a*', ['a', 'ab', 'a/b'], ['b', 'ba']],
    ['*.txt', ['.txt', 'a.txt', 'a.b.txt'], ['a.txt2', 'txt', 'b/a.txt']],
    ['a*b*c', ['abc', 'aXbXc', 'abcbc'], ['ab', 'acb', 'abcd']],
    ['?', ['a', 'é', '😀'], ['ab', 'éa']],
    ['a?c', ['abc', 'aéc'], ['ac', 'abbc']],
    ['[ab]', ['a', 'b'], ['c', 'ab', '[ab]']],
    ['[a-cx]1', ['a1', 'b1', 'x1'], ['d1', '-1']],
    ['[!a-c]', ['d', 'é', '!'], ['a', 'b']],
    ['[^a]', ['b', '^'], ['a']],
    ['[]a]', [']', 'a'], ['b']],
    ['[!]a]', ['b'], [']', 'a']],
    ['[a-]', ['a', '-'], ['b']],
    ['[à-ü]', ['é'], ['e', 'ÿ']],
    ['[*]', ['*'], ['a']],
    ['[[]x', ['[x'], ['x']],
    ['a\\*', ['a\\', 'a\\b'], ['a*', 'ab']],
    ['a/*/c', ['a/b/c', 'a/.x/c/d'], ['a/c', 'a/b/b/c', 'a/b/x']],
    ['**/c', ['c', 'a/c', 'a/b/c', 'c/d'], ['a', 'a/b']],
    ['a/**/c', ['a/c', 'a/b/c', 'a/b/b/c/d'], ['c', 'a', 'a/b', 'b/a/c']],
    ['a/**', ['a/b', 'a/b/c'], ['a', 'b']],
    ['a/**/**', ['a/b', 'a/b/c'], ['a', 'b']],
    ['**', ['a', 'a/b'], []],
    ['**/a/**/b', ['a/b', 'x/a/b', 'x/a/y/b', 'a/a/b'], ['b', 'a', 'b/a']],
    ['**/a/*/b', ['a/a/b', 'a/a/a/b', 'x/a/x/b'], ['a/b', 'a/x/x/b']],
  ]
  it.each(cases)('%s', (pattern, yes, no) => {
    expect(shown({ only: [pattern] }, ...yes, ...no)).toEqual(yes)
    expect(shown({ hide: [pattern] }, ...yes, ...no)).toEqual(no)
  })

  it('take bytes that are no text as they are', () => {
    const sight = Sight.of({ only: ['a?b', '[!x]', 'é*'] })
    const found = (name: string): boolean => sight.at(name) !== null
    // é as Latin-1 has it is not é, and half of a character is one unknown character.
    expect(['a\xe9b', '\xff', '\xc3', '\xc3\xa9\xff'].map(found)).toEqual([true, true, true, true])
    expect(['a\xe9\xe9b', '\xff\xff', '\xe9x'].map(found)).toEqual([false, false, false])
  })

  it('never take long', () => {
    const sight = Sight.of({
      only: [`${'*a'.repeat(100)}b`, `${'**/*a*/'.repeat(50)}b`, `${'**/a/'.repeat(50)}c`],
    })
    expect(sight.at('a'.repeat(255))?.shown).toBe(false)
    let deep: Sight | null = sight
    for (let i = 0; i < 300; i++) deep = deep?.at('a') ?? null
    expect([deep?.shown, deep?.at('b')?.shown, deep?.at('c')?.shown]).toEqual([false, true, true])
  })
})

describe('a pattern that means nothing', () => {
  it.each([
    ['', 'it names nothing'],
    ['///', 'it names nothing'],
    ['a//b', 'a name is missing between two slashes'],
    ['.', '. is no name'],
    ['./a', '. is no name'],
    ['a/../b', '.. is no name'],
    ['***', '** stands alone between slashes'],
    ['a**', '** stands alone between slashes'],
    ['a/**b/c', '** stands alone between slashes'],
    ['[', 'a [ is not closed'],
    ['a[]', 'a [ is not closed'],
    ['[!]', 'a [ is not closed'],
    ['[a/b]', 'a [ is not closed'],
    ['[z-a]', 'z-a is upside down'],
    ['a\0', 'no name has a NUL'],
  ])('%j is refused', (pattern, words) => {
    for (const patterns of [{ only: ['a', pattern] }, { hide: [pattern] }]) {
      const compile = (): Sight => Sight.of(patterns)
      expect(compile).toThrow(PatternError)
      expect(compile).toThrow(`the pattern ${JSON.stringify(pattern)}: ${words}`)
    }
  })
})

describe('the sight of a place', () => {
  it('is the same object where no pattern distinguishes the places', () => {
    const everything = Sight.of({ only: ['a'] }).at('a')
    expect(everything?.whole).toBe(true)
    expect(everything?.at('x')).toBe(everything)
    const noKeys = Sight.of({ hide: ['**/*.key'] }).at('a')
    expect([noKeys?.whole, noKeys?.shown]).toEqual([false, true])
    expect(noKeys?.at('x')).toBe(noKeys)
  })

  it('equals another where the same is shown below', () => {
    const sight = Sight.of({ only: ['a', 'b', 'c/*/x', 'd'], hide: ['b/x', '**/.git', 'd/x'] })
    const at = (path: string): Sight =>
      path.split('/').reduce<Sight>((above, name) => above.at(name)!, sight)
    const equal = (one: string, other: string): boolean => at(one).equals(at(other))
    expect([equal('a', 'b/y'), equal('a/b/c', 'a'), equal('c/1', 'c/2')]).toEqual([
      true,
      true,
      true,
    ])
    expect([equal('a', 'b'), equal('b', 'd'), equal('c', 'c/1'), equal('a', 'c')]).toEqual([
      false,
      false,
      false,
      false,
    ])
  })
})

/** What the doc comments say, word for word, for one pattern and one path. */
function naive(
  pattern: readonly string[],
  path: readonly string[],
): { matches: boolean; leads: boolean } {
  const matches = (p: number, n: number): boolean => {
    if (p === pattern.length) return n === path.length
    if (pattern[p] === '**') {
      const least = p === pattern.length - 1 ? 1 : 0
      for (let taken = least; n + taken <= path.length; taken++) {
        if (matches(p + 1, n + taken)) return true
      }
      return false
    }
    return n < path.length && fits(pattern[p]!, path[n]!) && matches(p + 1, n + 1)
  }
  // Some path that goes on from here matches.
  const leads = (p: number, n: number): boolean => {
    if (n === path.length) return p < pattern.length
    if (p === pattern.length) return false
    if (pattern[p] === '**') return true
    return fits(pattern[p]!, path[n]!) && leads(p + 1, n + 1)
  }
  return { matches: matches(0, 0), leads: leads(0, 0) }
}

function fits(component: string, name: string): boolean {
  if (component === '') return name === ''
  const [first, rest] = [component[0], component.slice(1)]
  if (first === '*') return fits(rest, name) || (name !== '' && fits(component, name.slice(1)))
  return name !== '' && (first === '?' || first === name[0]) && fits(rest, name.slice(1))
}

const component = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.constantFrom('a', 'b', 'ab', 'ba', '*', '?', 'a*', '*b', '?b', '*a*'),
  },
  { weight: 2, arbitrary: fc.constant('**') },
)
const pattern = fc.array(component, { minLength: 1, maxLength: 5 })
const patterns = fc.array(pattern, { maxLength: 5 })
const path = fc.array(fc.constantFrom('a', 'b', 'ab', 'ba', 'aab', 'c'), {
  minLength: 1,
  maxLength: 6,
})

function thrownBy(act: () => unknown): unknown {
  try {
    act()
  } catch (error) {
    return error
  }
  return undefined
}

describe('any patterns', () => {
  it('do what the naive matcher does', () => {
    fc.assert(
      fc.property(patterns, patterns, fc.boolean(), path, fc.boolean(), (...given) => {
        const [some, others, all, names, directory] = given
        const above = names.map((_, i) => names.slice(0, i + 1))
        const hidden = others.some((p) => above.some((each) => naive(p, each).matches))
        const matched = all || some.some((p) => above.some((each) => naive(p, each).matches))
        const leads = directory && some.some((p) => naive(p, names).leads)
        const text = (list: readonly (readonly string[])[]): string[] =>
          list.map((components) => components.join('/'))
        const view = { hide: text(others), ...(all ? {} : { only: text(some) }) }
        const found = shows(view, names.join('/') + (directory ? '/' : ''))
        expect(found).toBe(!hidden && (matched || leads))
      }),
      { numRuns: 5000 },
    )
  })

  it('mean an error or a view, and nothing else', () => {
    const piece = fc.constantFrom(
      '*',
      '**',
      '[',
      ']',
      '!',
      '-',
      '/',
      '.',
      'a',
      'é',
      '?',
      '\\',
      '\0',
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 8 }), fc.string(), (pieces, name) => {
        const thrown = thrownBy(() => Sight.of({ only: [pieces.join('')] }).at(fromText(name)))
        expect(thrown === undefined || thrown instanceof PatternError).toBe(true)
      }),
      { numRuns: 3000 },
    )
  })
})

describe('thousands of names', () => {
  it('are one look-up', () => {
    const only = Array.from({ length: 60_000 }, (_, i) => `nix/store/${i}-package`)
    const store = Sight.of({ only }).at('nix')?.at('store')
    expect(store?.at('59999-package')?.whole).toBe(true)
    expect(store?.at('60000-package')).toBe(null)
  })
})

describe('the characters of a name', () => {
  it('are those of the text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const expected = Array.from(text).map((each) => each.codePointAt(0))
        expect(charactersOf(fromText(text))).toEqual(expected)
      }),
    )
  })

  it('and of other bytes each by itself, so that none is lost', () => {
    const byte = fc.oneof(
      fc.integer({ min: 0, max: 255 }),
      fc.constantFrom(0x80, 0xbf, 0xc0, 0xc3, 0xe0, 0xed, 0xa0, 0xf0, 0xf4, 0x90, 0xf8, 0xff),
    )
    fc.assert(
      fc.property(fc.array(byte), (bytes) => {
        const name = Buffer.from(bytes).toString('latin1')
        const back = charactersOf(name)
          .map((each) => (each < 0 ? String.fromCharCode(-each) : fromText(codePoint(each))))
          .join('')
        expect(back).toBe(name)
      }),
      { numRuns: 3000 },
    )
    // Overlong, half of a pair, beyond Unicode.
    expect(charactersOf('\xc0\x80\xed\xa0\x80\xf4\x90\x80\x80').every((each) => each < 0)).toBe(
      true,
    )
  })
})

function codePoint(code: number): string {
  return String.fromCodePoint(code)
}
