import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { flags } from '../../src/9p/index.ts'
import { HostProbe } from '../support/host-probe.ts'
import { afterwards, temporaryDirectory } from '../support/temporary.ts'

/** Puts a symlink in a directory's place and back, as fast as it can, until its input ends. */
const swap = `
  const { renameSync } = require('node:fs')
  const [directory, link, aside] = process.argv.slice(1)
  let over = false
  process.stdin.resume().on('end', () => (over = true))
  function some() {
    for (let i = 0; i < 100; i++) {
      renameSync(directory, aside)
      renameSync(link, directory)
      renameSync(directory, link)
      renameSync(aside, directory)
    }
    if (!over) setImmediate(some)
  }
  console.log('begun')
  some()
`

/** At least so many answers of each kind are wanted, and no more than so many rounds are made for them. */
const WANTED = 300
const MOST_ROUNDS = 100_000

let outside: string
let inside: string

beforeEach(() => {
  outside = temporaryDirectory()
  inside = join(outside, 'inside')
  mkdirSync(join(inside, 'dir/sub'), { recursive: true })
  writeFileSync(join(inside, 'dir/victim'), 'inside')
  mkdirSync(join(outside, 'canary/sub'), { recursive: true })
  for (const name of ['secret', 'victim', 'sub/secret']) {
    writeFileSync(join(outside, 'canary', name), 'outside')
  }
  chmodSync(join(outside, 'canary'), 0o711)
  symlinkSync('../canary', join(inside, 'link'))
})

/** What a client would do in a directory that it has just walked to; each time anew, so that nothing is held. */
function visits(probe: HostProbe): (() => unknown)[] {
  const walked = (...names: string[]): number => {
    const { qids } = probe.call('walk', { fid: 0, newfid: 500, names })
    if (qids.length < names.length) throw Object.assign(new Error('no way'), { errno: 2 })
    return 500
  }
  const gid = process.getgid!()
  const name = 'made'
  const remove = (): unknown => probe.call('unlinkat', { dirfid: walked('dir'), name, flags: 0 })
  return [
    () => walked('dir', 'secret'),
    () => {
      walked('dir', 'sub')
      probe.call('walk', { fid: 500, newfid: 501, names: ['secret'] })
    },
    () => walked('dir', 'sub', '..', 'secret'),
    () => {
      probe.call('lopen', { fid: walked('dir'), flags: 0 })
      expect(probe.entries(500).map((entry) => entry.name)).not.toContain('secret')
    },
    () => {
      probe.call('lopen', { fid: walked('dir', 'victim'), flags: flags.open.RDWR })
      expect(probe.read(500).toString()).toBe('inside')
      probe.write(500, 0, 'inside')
    },
    () => probe.setattr(walked('dir'), flags.setattr.MODE, { mode: 0o755 }),
    () => probe.setattr(walked('dir', 'victim'), flags.setattr.SIZE, { size: 6 }),
    () => probe.call('lcreate', { fid: walked('dir'), name, flags: 2, mode: 0o600, gid }),
    remove,
    () =>
      probe.call('mknod', { dfid: walked('dir'), name, mode: 0o100600, major: 0, minor: 0, gid }),
    remove,
    () => probe.call('symlink', { dfid: walked('dir'), name, symtgt: 'x', gid }),
    remove,
    () => {
      const [oldname, newname] = ['victim', 'victim']
      probe.call('renameat', { olddirfid: walked('dir'), oldname, newdirfid: 0, newname })
    },
    () => {
      const [oldname, newname] = ['victim', 'victim']
      probe.call('renameat', { olddirfid: 0, oldname, newdirfid: walked('dir'), newname })
    },
  ]
}

describe('a directory that another process swaps for a symlink all the time', () => {
  it('never leads out of the export', async () => {
    const paths = ['dir', 'link', 'aside'].map((each) => join(inside, each))
    const child = spawn(process.execPath, ['--eval', swap, ...paths], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    afterwards(() => child.kill('SIGKILL'))
    await once(child.stdout, 'data')

    const probe = new HostProbe(inside)
    const all = visits(probe)
    const found = { done: 0, refused: 0 }
    for (let round = 0; round < MOST_ROUNDS; round++) {
      if (Math.min(found.done, found.refused) >= WANTED) break
      for (const visit of all) {
        try {
          visit()
          found.done++
        } catch (error) {
          if (typeof (error as { errno?: unknown }).errno !== 'number') throw error
          found.refused++
        }
        for (const fid of [500, 501]) probe.errnoOf('clunk', { fid })
      }
    }
    child.stdin.end()
    await once(child, 'close')
    expect(Math.min(found.done, found.refused)).toBeGreaterThanOrEqual(WANTED)

    expect(readdirSync(join(outside, 'canary')).toSorted()).toEqual(['secret', 'sub', 'victim'])
    expect(readdirSync(join(outside, 'canary/sub'))).toEqual(['secret'])
    expect(readFileSync(join(outside, 'canary/victim'), 'utf8')).toBe('outside')
    expect(statSync(join(outside, 'canary')).mode & 0o777).toBe(0o711)
    expect(probe.log).toEqual([])
  })
})
