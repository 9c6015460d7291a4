import { PassThrough } from 'node:stream'
import { expect, it } from 'vitest'
import { ConsoleSearch } from '../../../src/driver/waits/console-search.ts'
import { Console } from '../../../src/machine/console.ts'

/** What a look finds after each piece that a console prints. */
async function looks(
  pattern: RegExp | string,
  ...pieces: readonly string[]
): Promise<(string | undefined)[]> {
  const stream = new PassThrough()
  const console = new Console(stream, () => {})
  const search = new ConsoleSearch(console, pattern)
  const found: (string | undefined)[] = []
  for (const piece of pieces) {
    await new Promise<void>((resolve) => {
      console.once('text', resolve)
      stream.write(piece)
    })
    found.push(search.look())
  }
  return found
}

it.each<[string, RegExp | string, readonly string[], readonly (string | undefined)[]]>([
  ['a text that comes in pieces', 'login', ['a log', 'i', 'n: '], [undefined, undefined, 'login']],
  ['a pattern over lines', /a\nb+/, ['a\n', 'bb\n'], [undefined, 'a\nbb']],
  ['the end of what there is', /login: $/, ['login: x', '\nlogin: '], [undefined, 'login: ']],
  ['the beginning of a line', /^b/m, ['a', 'b\n', 'b'], [undefined, undefined, 'b']],
  ['what was there before', /x/g, ['a x'], ['x']],
  ['a match where the search does not begin', /x/y, ['a x'], ['x']],
])('finds %s', async (_what, pattern, pieces, expected) => {
  expect(await looks(pattern, ...pieces)).toEqual(expected)
})

it('does not take the place where it goes on for the beginning of the console', async () => {
  const long = `${'x'.repeat(50)}\n`.repeat(1000)
  expect(await looks(/^x+$/, `first\n${long}`, 'x', 'x')).toEqual([undefined, undefined, undefined])
  expect(await looks(/(?<!\n)b/, long, long, 'b')).toEqual([undefined, undefined, undefined])
})
