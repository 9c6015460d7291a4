import fc from 'fast-check'
import { expect, it } from 'vitest'
import { didYouMean, nearest } from '../../src/util/nearest.ts'

const words = ['run', 'serve', 'test', 'setup', 'snapshot', 'root', 'doctor']

it.each([
  ['tset', 'test'],
  ['tst', 'test'],
  ['tests', 'test'],
  ['rn', 'run'],
  ['snapshto', 'snapshot'],
  ['snap', 'snapshot'],
  ['docter', 'doctor'],
  ['server', 'serve'],
])('%s was meant to be %s', (typed, word) => {
  expect(nearest(typed, words)).toBe(word)
  expect(didYouMean(typed, words)).toBe(` Did you mean ${word}?`)
})

it.each(['list', 'frobnicate', 'constructor', 'x', '', 's'])('%j is near to none', (typed) => {
  expect(nearest(typed, words)).toBeUndefined()
  expect(didYouMean(typed, words)).toBe('')
})

it('a word with one letter changed, added, left out or swapped is near to it', () => {
  const letter = fc.constantFrom('a', 'b', 'c', 'd', 'e')
  const word = fc.string({ unit: letter, minLength: 4, maxLength: 12 })
  fc.assert(
    fc.property(word, fc.nat(), letter, (right, place, other) => {
      const at = place % (right.length - 1)
      const [before, here, next] = [right.slice(0, at), right[at]!, right[at + 1]!]
      const wrong = [
        before + other + right.slice(at + 1),
        before + other + right.slice(at),
        before + right.slice(at + 1),
        before + next + here + right.slice(at + 2),
      ]
      for (const typed of wrong) expect(nearest(typed, [right, 'zzzz'])).toBe(right)
    }),
  )
})
