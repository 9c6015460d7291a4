import {
  chownSync,
  existsSync,
  readFileSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { PidFile } from '../../src/cli/pid-file.ts'
import { needsRoot, temporaryDirectory } from '../support/temporary.ts'

let path: string

beforeEach(() => {
  path = join(temporaryDirectory(), 'pid')
})

describe('a file with the number of this process', () => {
  it('is there until it is disposed of', () => {
    const file = new PidFile(path)
    file.write()
    expect(readFileSync(path, 'utf8')).toBe(`${process.pid}\n`)
    expect(statSync(path).mode & 0o777).toBe(0o600)
    file[Symbol.dispose]()
    expect(existsSync(path)).toBe(false)
  })

  it('replaces one that was left behind', () => {
    writeFileSync(path, '12345 and more')
    using file = new PidFile(path)
    file.write()
    expect(readFileSync(path, 'utf8')).toBe(`${process.pid}\n`)
  })

  it('leaves another one alone that is in its place by now', () => {
    {
      using file = new PidFile(path)
      file.write()
      writeFileSync(`${path}-new`, 'theirs')
      unlinkSync(path)
      writeFileSync(path, 'theirs')
    }
    expect(readFileSync(path, 'utf8')).toBe('theirs')
  })

  it('does not follow a link, and does not replace it', () => {
    const victim = `${path}-victim`
    writeFileSync(victim, 'precious')
    symlinkSync(victim, path)
    using file = new PidFile(path)
    expect(() => file.write()).toThrow(`The file ${path} cannot be made: `)
    expect(readFileSync(victim, 'utf8')).toBe('precious')
  })

  it('does not replace the file of another user', () => {
    needsRoot('makes a file of another user')
    writeFileSync(path, 'theirs')
    chownSync(path, 1000, 1000)
    using file = new PidFile(path)
    expect(() => file.write()).toThrow(`The file ${path} cannot be made: `)
    expect(readFileSync(path, 'utf8')).toBe('theirs')
  })

  it('is not removed by one that could not make it', () => {
    writeFileSync(path, 'theirs')
    new PidFile(path)[Symbol.dispose]()
    expect(readFileSync(path, 'utf8')).toBe('theirs')
  })
})
