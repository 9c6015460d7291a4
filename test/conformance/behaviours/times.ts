import type { File, Fs } from '../fs.ts'
import assert from 'node:assert/strict'
import { type Behaviours, bytes, make, outcome, later, moved, longAgo } from './helpers.ts'

/** Times: as they are set, and as operations change them. */
export const timeRules: Behaviours = {
  'times are set as they are given': async (fs) => {
    await make(fs, 'f', '')
    await fs.mkdir('d')
    await fs.symlink('f', 'l')
    const times = [
      [1_000_000_000n, 1_500_000_001n],
      [0n, 1n],
      [4_294_967_296n, 5_000_000_000n],
      [9_999_999_999n, 2_147_483_648n],
    ] as const
    for (const name of ['f', 'd', 'l']) {
      for (const [accessed, modified] of times) {
        await fs.lutimes(name, accessed * second, modified * second)
        const { atime, mtime } = await fs.lstat(name)
        assert.deepEqual([name, atime, mtime], [name, accessed * second, modified * second])
      }
    }
  },

  'times have nanoseconds': async (fs) => {
    await make(fs, 'f', '')
    const [accessed, modified] = [1_234_567_890_123_456_789n, 987_654_321_999_999_999n]
    await fs.lutimes('f', accessed, modified)
    const { atime, mtime } = await fs.stat('f')
    assert.deepEqual([atime, mtime], [accessed, modified])
    const file = await fs.open('f', { access: 'w' })
    await file.utimes(modified, 1n)
    const again = await file.stat()
    await file.close()
    assert.deepEqual([again.atime, again.mtime], [modified, 1n])
  },

  'times may be before 1970': async (fs) => {
    await make(fs, 'f', '')
    for (const seconds of [-1n, -1_000_000_000n, -2_147_483_648n]) {
      await fs.lutimes('f', seconds * second, seconds * second)
      const { atime, mtime } = await fs.stat('f')
      assert.deepEqual([atime, mtime], [seconds * second, seconds * second])
    }
  },

  'times before 1970 have nanoseconds': async (fs) => {
    await make(fs, 'f', '')
    await fs.lutimes('f', -1n, -1_500_000_001n)
    const { atime, mtime } = await fs.stat('f')
    assert.deepEqual([atime, mtime], [-1n, -1_500_000_001n])
  },

  'one time is set and the other left': async (fs) => {
    await make(fs, 'f', '')
    await fs.lutimes('f', longAgo, 2n * longAgo)
    await fs.lutimes('f', 'keep', 3n * longAgo)
    assert.equal((await fs.stat('f')).atime, longAgo)
    assert.equal((await fs.stat('f')).mtime, 3n * longAgo)
    await fs.lutimes('f', 4n * longAgo, 'keep')
    assert.equal((await fs.stat('f')).atime, 4n * longAgo)
    assert.equal((await fs.stat('f')).mtime, 3n * longAgo)
    await fs.lutimes('f', 'keep', 'now')
    const { atime, mtime, ctime } = await fs.stat('f')
    assert.equal(atime, 4n * longAgo)
    assert.equal(mtime, ctime)
  },

  'setting times is a change of its own': async (fs) => {
    await make(fs, 'f', '')
    const before = await fs.stat('f')
    await later(fs, before.ctime)
    await fs.lutimes('f', longAgo, longAgo)
    assert.ok((await fs.stat('f')).ctime > before.ctime)
  },

  'changing the bytes changes the times': async (fs) => {
    await make(fs, 'f', 'text')
    await fs.lutimes('f', longAgo, longAgo)
    const before = await fs.stat('f')
    const file = await fs.open('f', { access: 'w' })
    await file.write(0, bytes('more'))
    await file.sync()
    await file.close()
    const after = await fs.stat('f')
    assert.ok(after.mtime > before.mtime)
    assert.ok(after.ctime > before.ctime)
    await fs.lutimes('f', longAgo, longAgo)
    await fs.truncate('f', 1)
    assert.ok((await fs.stat('f')).mtime > before.mtime)
  },

  'changing names changes the times of their directory': async (fs) => {
    await fs.mkdir('d')
    await make(fs, 'f', '')
    const changes = [
      () => make(fs, 'd/a', ''),
      () => fs.rename('d/a', 'd/b'),
      () => fs.link('f', 'd/c'),
      () => fs.symlink('x', 'd/l'),
      () => fs.unlink('d/b'),
      () => fs.mkdir('d/e'),
      () => fs.rmdir('d/e'),
    ]
    for (const act of changes) {
      await fs.lutimes('d', longAgo, longAgo)
      await act()
      assert.ok((await fs.stat('d')).mtime > longAgo)
    }
  },

  'each operation changes the times that it should, of the file': async (fs) => {
    await changesTimes(
      fs,
      {
        stat: ['', (path) => fs.stat(`${path}/f`)],
        chmod: ['ctime', (path) => fs.chmod(`${path}/f`, 0o640)],
        'chmod to the same': ['ctime', (path) => fs.chmod(`${path}/f`, 0o644)],
        'chown to the same': [
          'ctime',
          async (path) => {
            const { uid, gid } = await fs.stat(`${path}/f`)
            await fs.lchown(`${path}/f`, uid, gid)
          },
        ],
        link: ['ctime', (path) => fs.link(`${path}/f`, `${path}/h`)],
        'rename of another name': ['ctime', (path) => fs.rename(`${path}/g`, `${path}/h`)],
        'unlink of another name': ['ctime', (path) => fs.unlink(`${path}/g`)],
        write: ['mtime ctime', (path) => change(fs, path, (file) => file.write(0, bytes('other')))],
        'write of nothing': ['', (path) => change(fs, path, (file) => file.write(0, bytes('')))],
        truncation: ['mtime ctime', (path) => change(fs, path, (file) => file.truncate(3))],
        extension: ['mtime ctime', (path) => fs.truncate(`${path}/f`, 30)],
      },
      '/f',
    )
  },

  'each operation changes the times that it should, of the directory': async (fs) => {
    await changesTimes(
      fs,
      {
        'a file made': ['mtime ctime', (path) => make(fs, `${path}/a`, '')],
        'a file changed': ['', (path) => make(fs, `${path}/f`, 'other')],
        'a file with another mode': ['', (path) => fs.chmod(`${path}/f`, 0o600)],
        'a link made': ['mtime ctime', (path) => fs.link(`${path}/f`, `${path}/b`)],
        'a symlink made': ['mtime ctime', (path) => fs.symlink('f', `${path}/c`)],
        'a directory made': ['mtime ctime', (path) => fs.mkdir(`${path}/e`)],
        'a file made in one inside': ['', (path) => make(fs, `${path}/d/f`, '')],
        'a name changed': ['mtime ctime', (path) => fs.rename(`${path}/f`, `${path}/z`)],
        'a name moved away': ['mtime ctime', (path) => fs.rename(`${path}/f`, `${path}-moved`)],
        'a name moved inside': ['mtime ctime', (path) => fs.rename(`${path}/f`, `${path}/d/f`)],
        'a name removed': ['mtime ctime', (path) => fs.unlink(`${path}/f`)],
        'a directory removed': ['mtime ctime', (path) => fs.rmdir(`${path}/d`)],
        'a failure': ['', (path) => outcome(fs.mkdir(`${path}/f`))],
      },
      '',
    )
  },
}

type Operations = Readonly<
  Record<string, readonly [expected: string, act: (path: string) => Promise<unknown>]>
>

/**
 * Does each operation in a directory of its own, which has a file with two names in it and a
 * directory, and looks which times of `subject` it changes.
 */
async function changesTimes(fs: Fs, operations: Operations, subject: string): Promise<void> {
  const all = Object.entries(operations)
  for (const i of all.keys()) {
    await fs.mkdir(`${i}`)
    await make(fs, `${i}/f`, 'some text')
    await fs.link(`${i}/f`, `${i}/g`)
    await fs.mkdir(`${i}/d`)
  }
  const stats = await Promise.all([...all.keys()].map((i) => fs.stat(`${i}${subject}`)))
  await later(fs, stats.at(-1)!.ctime)
  const found: string[][] = []
  for (const [i, [name, [, act]]] of all.entries()) {
    await act(`${i}`)
    found.push([name, moved(stats[i]!, await fs.stat(`${i}${subject}`))])
  }
  assert.deepEqual(
    found,
    all.map(([name, [expected]]) => [name, expected]),
  )
}

async function change(fs: Fs, path: string, act: (file: File) => Promise<unknown>): Promise<void> {
  const file = await fs.open(`${path}/f`, { access: 'rw' })
  await act(file)
  await file.close()
}

const second = 1_000_000_000n
