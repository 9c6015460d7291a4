import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { findTestFiles } from '../../src/runner/find-files.ts'
import { temporaryDirectory } from '../support/temporary.ts'

function folderWith(...paths: readonly string[]): string {
  const folder = temporaryDirectory()
  for (const path of paths) {
    mkdirSync(join(folder, dirname(path)), { recursive: true })
    writeFileSync(join(folder, path), '')
  }
  return folder
}

function found(folder: string, ...paths: readonly string[]): string[] {
  const files = findTestFiles(paths.map((path) => join(folder, path)))
  return files.map((file) => file.slice(folder.length + 1))
}

describe('files of tests', () => {
  it('are those of the name, at whatever depth, in order', () => {
    const folder = folderWith(
      'b.vm.test.ts',
      'a.vm.test.mjs',
      'deep/er/c.vm.test.js',
      'deep/d.vm.test.mts',
      'x.test.ts',
      'vm.test.ts',
      'y.vm.test.ts.bak',
      'z.vm.test.tsx',
      'node_modules/pkg/e.vm.test.js',
      '.cache/f.vm.test.js',
    )
    expect(found(folder, '.')).toEqual([
      'a.vm.test.mjs',
      'b.vm.test.ts',
      'deep/d.vm.test.mts',
      'deep/er/c.vm.test.js',
    ])
  })

  it('are what was named, each once, and first what was named first', () => {
    const folder = folderWith('odd.js', 'b/b.vm.test.ts', 'a/a.vm.test.ts')
    expect(found(folder, 'odd.js', 'b', '.', 'a/a.vm.test.ts')).toEqual([
      'odd.js',
      'b/b.vm.test.ts',
      'a/a.vm.test.ts',
    ])
  })

  it('are not searched for through links, which may lead in circles', () => {
    const folder = folderWith('a.vm.test.ts')
    symlinkSync('.', join(folder, 'again'))
    expect(found(folder, '.')).toEqual(['a.vm.test.ts'])
  })

  it.each(['nothing', 'empty', 'other'])('are not at %s, and it says so', (name) => {
    const folder = folderWith('other/x.test.ts')
    mkdirSync(join(folder, 'empty'))
    expect(() => found(folder, name)).toThrow(/There are no tests at .*: name a file, or a folder/)
  })
})
