import { expect, it } from 'vitest'
import { Output } from '../../src/runner/output.ts'

it('keeps all of what is short', () => {
  const output = new Output()
  for (const text of ['one\n', 'two', '\nthree\n']) output.add(text)
  expect(output.text).toBe('one\ntwo\nthree\n')
  expect(output.tail()).toBe('one\ntwo\nthree')
})

it('keeps the beginning and the end of what is long', () => {
  const output = new Output()
  for (let i = 0; i < 200_000; i += 1) output.add(`line ${i}\n`)
  expect(output.text.length).toBeLessThan(800_000)
  expect(output.text).toMatch(/^line 0\nline 1\n/)
  expect(output.text).toMatch(/\n\[\d+ characters left out\]\n/)
  expect(output.text).toMatch(/\nline 199999\n$/)
  expect(output.tail().split('\n')).toHaveLength(30)
})
