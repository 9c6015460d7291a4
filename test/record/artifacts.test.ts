import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { Artifacts, artifactsRoot } from '../../src/record/artifacts.ts'
import { temporaryDirectory } from '../support/temporary.ts'

const { LOWERDIR_ARTIFACTS: before } = process.env

afterEach(() => {
  if (before === undefined) delete process.env['LOWERDIR_ARTIFACTS']
  else process.env['LOWERDIR_ARTIFACTS'] = before
})

describe('where artifacts are', () => {
  it('is the option, else the environment, else nowhere', () => {
    process.env['LOWERDIR_ARTIFACTS'] = 'out'
    expect(artifactsRoot('/elsewhere')).toBe('/elsewhere')
    expect(artifactsRoot()).toBe(resolve('out'))
    process.env['LOWERDIR_ARTIFACTS'] = ''
    expect(artifactsRoot()).toBeUndefined()
    delete process.env['LOWERDIR_ARTIFACTS']
    expect(artifactsRoot()).toBeUndefined()
  })
})

describe('the folder of a machine', () => {
  it('is its own, however many machines have that name', () => {
    const root = join(temporaryDirectory(), 'not', 'yet')
    const names = ['server', 'server', 'client', 'server'].map((name) => {
      return Artifacts.create(root, name).path.slice(root.length + 1)
    })
    expect(names).toEqual(['server', 'server-2', 'client', 'server-3'])
  })

  it.each([
    ['../../etc', '_.._etc'],
    ['.hidden', 'hidden'],
    ['a b/c', 'a_b_c'],
    ['', 'machine'],
    ['..', 'machine'],
    ['x'.repeat(300), 'x'.repeat(100)],
  ])('for a machine named %j lies in the root', (name, expected) => {
    const root = temporaryDirectory()
    expect(Artifacts.create(root, name).path).toBe(join(root, expected))
    expect(readdirSync(root)).toEqual([expected])
  })

  it('goes with all that is in it', () => {
    const artifacts = Artifacts.create(temporaryDirectory(), 'server')
    writeFileSync(artifacts.file('screen.png'), '')
    artifacts.remove()
    expect(existsSync(artifacts.path)).toBe(false)
    artifacts.remove()
  })

  it('cannot be made where a file is', () => {
    const file = join(temporaryDirectory(), 'file')
    writeFileSync(file, '')
    expect(() => Artifacts.create(file, 'server')).toThrow(/EEXIST|ENOTDIR/)
  })
})
