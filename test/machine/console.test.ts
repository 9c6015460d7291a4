import { PassThrough } from 'node:stream'
import { expect, it } from 'vitest'
import { Console } from '../../src/machine/console.ts'

async function consoleOf(...chunks: readonly string[]): Promise<[Console, string[]]> {
  const stream = new PassThrough()
  const lines: string[] = []
  const console = new Console(stream, (line) => lines.push(line))
  const ended = new Promise((resolve) => {
    stream.once('end', resolve)
  })
  for (const chunk of chunks) stream.write(chunk)
  stream.end()
  await ended
  return [console, lines]
}

it('gives out whole lines, however they arrive', async () => {
  const [, lines] = await consoleOf('on', 'e\r\ntw', 'o\r\n', '\r\nthr', 'ee')
  expect(lines).toEqual(['one', 'two', 'three'])
})

it('keeps the last lines', async () => {
  const [console] = await consoleOf('1\n2\n3\n4\nunfinished')
  expect(console.tail(3)).toBe('3\n4\nunfinished')
})

it('is bounded, for many lines and for one that never ends', async () => {
  const [many] = await consoleOf(...Array.from({ length: 10_000 }, (_, i) => `line number ${i}\n`))
  expect(many.tail(1e9).length).toBeLessThanOrEqual(64 * 1024)
  expect(many.tail(1)).toBe('line number 9999')

  const [endless] = await consoleOf(...Array.from({ length: 100 }, () => 'x'.repeat(10_000)))
  expect(endless.tail(1e9).length).toBeLessThanOrEqual(64 * 1024)
})
