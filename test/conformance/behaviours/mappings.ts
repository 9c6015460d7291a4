import assert from 'node:assert/strict'
import { closeSync, openSync, writeSync } from 'node:fs'
import { type KernelBehaviours, make, content } from './helpers.ts'
import { map } from '../system.ts'

/** Files in memory. */
export const mappings: KernelBehaviours = {
  'a private mapping shows the file and keeps its changes to itself': async (fs) => {
    await make(fs, 'f', 'text'.padEnd(page))
    const fd = openSync(fs.path('f'), 'r+')
    const { bytes: mapped, unmap } = map(fd, page, 'private')
    assert.equal(mapped.toString('latin1', 0, 4), 'text')
    mapped.write('next')
    assert.equal((await content(fs, 'f')).slice(0, 4), 'text')
    unmap()
    closeSync(fd)
  },

  'a shared mapping and the file are the same': async (fs) => {
    await make(fs, 'f', 'text'.padEnd(2 * page))
    const fd = openSync(fs.path('f'), 'r+')
    const { bytes: mapped, unmap } = map(fd, 2 * page, 'shared')
    assert.equal(mapped.toString('latin1', 0, 4), 'text')
    mapped.write('mapped', page)
    assert.equal((await content(fs, 'f')).slice(page, page + 6), 'mapped')
    writeSync(fd, 'written', 100)
    assert.equal(mapped.toString('latin1', 100, 107), 'written')
    unmap()
    closeSync(fd)
    assert.equal((await content(fs, 'f')).slice(page, page + 6), 'mapped')
  },

  'a shared mapping is the same through each name of the file': async (fs) => {
    await make(fs, 'a', 'text'.padEnd(page))
    await fs.link('a', 'b')
    const [a, b] = [openSync(fs.path('a'), 'r+'), openSync(fs.path('b'), 'r+')]
    const [one, other] = [map(a, page, 'shared'), map(b, page, 'shared')]
    assert.equal(other.bytes.toString('latin1', 0, 4), 'text')
    one.bytes.write('next')
    assert.equal(other.bytes.toString('latin1', 0, 4), 'next')
    for (const each of [one, other]) each.unmap()
    for (const each of [a, b]) closeSync(each)
  },

  'a file that is open for reading can be mapped shared': async (fs) => {
    await make(fs, 'f', 'text'.padEnd(page))
    expectMapped(fs.path('f'), 'r')
  },

  'a file that is open for writing can be mapped shared, for reading alone': async (fs) => {
    await make(fs, 'f', 'text'.padEnd(page))
    expectMapped(fs.path('f'), 'r+')
  },
}

const page = 4096

/** A shared mapping shows the file's text. */
function expectMapped(path: string, flags: 'r' | 'r+'): void {
  const fd = openSync(path, flags)
  const { bytes: mapped, unmap } = map(fd, page, 'shared', 'read')
  assert.equal(mapped.toString('latin1', 0, 4), 'text')
  unmap()
  closeSync(fd)
}
