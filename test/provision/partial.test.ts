import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readdir, readFile, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { commitPartial, makePartial, sweepPartial } from '../../src/provision/partial.ts'
import { temporaryFolder } from './folder.ts'

const never = async (): Promise<boolean> => false
const always = async (): Promise<boolean> => true

async function fill(cache: string, text: string): Promise<string> {
  const folder = await makePartial(cache)
  await writeFile(join(folder, 'file'), text)
  return folder
}

test('a filled folder appears in its place in one piece', async () => {
  const cache = await temporaryFolder()
  const target = join(cache, 'thing', '1.0')
  await commitPartial(cache, await fill(cache, 'new'), target, never)
  expect(await readFile(join(target, 'file'), 'utf8')).toBe('new')
  expect(await readdir(join(cache, 'partial'))).toEqual([])
})

test('the second process keeps the complete folder that is there', async () => {
  const cache = await temporaryFolder()
  const target = join(cache, '1.0')
  await commitPartial(cache, await fill(cache, 'first'), target, never)
  await commitPartial(cache, await fill(cache, 'second'), target, always)
  expect(await readFile(join(target, 'file'), 'utf8')).toBe('first')
  expect(await readdir(join(cache, 'partial'))).toEqual([])
})

test('an incomplete folder in the place is replaced', async () => {
  const cache = await temporaryFolder()
  const target = join(cache, '1.0')
  await commitPartial(cache, await fill(cache, 'broken'), target, never)
  await commitPartial(cache, await fill(cache, 'whole'), target, never)
  expect(await readFile(join(target, 'file'), 'utf8')).toBe('whole')
  expect(await readdir(join(cache, 'partial'))).toEqual([])
})

test('what a killed process left is removed, what a living one fills is not', async () => {
  const cache = await temporaryFolder()
  const ours = await makePartial(cache)
  const partial = new URL('../../dist/provision/partial.js', import.meta.url).href
  const script = `
    const { makePartial } = await import(${JSON.stringify(partial)})
    console.log(await makePartial(${JSON.stringify(cache)}))
    setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script])
  const [line] = (await once(child.stdout, 'data')) as [Buffer]
  const theirs = line.toString().trim()

  await sweepPartial(cache)
  const names = async () => (await readdir(join(cache, 'partial'))).toSorted()
  const both = [ours, theirs].map((path) => path.slice(path.lastIndexOf('/') + 1)).toSorted()
  expect(await names()).toEqual(both)

  child.kill('SIGKILL')
  await once(child, 'exit')
  await sweepPartial(cache)
  expect(await names()).toEqual([ours.slice(ours.lastIndexOf('/') + 1)])
})

test("another machine's folder is a leftover after a day", async () => {
  const cache = await temporaryFolder()
  const foreign = join(cache, 'partial', 'ffffffff.1.1.1.00000000')
  await mkdir(foreign, { recursive: true })
  await sweepPartial(cache)
  expect(await readdir(join(cache, 'partial'))).toHaveLength(1)
  const yesterday = Date.now() / 1000 - 25 * 60 * 60
  await utimes(foreign, yesterday, yesterday)
  await sweepPartial(cache)
  expect(await readdir(join(cache, 'partial'))).toEqual([])
})
