import { chmodSync, chownSync, mkdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { asOrdinaryUser, built, ordinaryId } from '../../support/ordinary-user.ts'
import { temporaryDirectory } from '../../support/temporary.ts'

/** What the other process does: a tree without a session. */
const begin = `
import { HostTree } from '${built('tree/host/host-tree.js')}'
import { systemMemory } from '${built('sys/system-memory.js')}'
import { Attributes } from '${built('tree/attributes.js')}'
const { directory, atime, umask } = values
if (umask !== undefined) process.umask(umask)
const tree = new HostTree(directory, { readOnly: false, owner: 'host', atime })
const { node: root } = tree.attach('')
const memory = systemMemory(65536)
function attempt(act) {
  try { return act() } catch (error) { return error.code ?? String(error) }
}
function read(path, flags) {
  return attempt(() => {
    const node = path.split('/').reduce((at, name) => at.lookup(name, null), root)
    const file = node.open(flags)
    const length = file.read(0, { memory, offset: 0, length: 65536 })
    file.close()
    return memory.bytes.toString('latin1', 0, length)
  })
}
function list(path, flags) {
  return attempt(() => {
    const file = (path === '.' ? root : root.lookup(path, null)).open(flags)
    let entries = 0
    file.readdir(0n, { room: 65536, visit: () => ++entries > 0 })
    file.close()
    return entries > 0
  })
}
`
const NOATIME = 0o1000000
const old = 1_000_000_000

function files(): string {
  const directory = temporaryDirectory()
  chmodSync(directory, 0o755)
  mkdirSync(join(directory, 'dir'))
  for (const name of ['roots', 'dir/mine', 'private']) writeFileSync(join(directory, name), name)
  chmodSync(join(directory, 'private'), 0o600)
  chownSync(join(directory, 'dir/mine'), ordinaryId, ordinaryId)
  return directory
}

describe('a server of an ordinary user', () => {
  it('is one: it has no capability', () => {
    const script = `
      import { threadCredentials } from '${built('sys/process.js')}'
      console.log(JSON.stringify(threadCredentials()))`
    expect(asOrdinaryUser(script, {})).toMatchObject({
      uid: ordinaryId,
      gid: ordinaryId,
      fowner: false,
      chown: false,
    })
  })

  it.each(['preserve', 'guest'])(
    'reads root’s files although the guest asks for O_NOATIME (%s)',
    (atime) => {
      const directory = files()
      const script = `${begin}
        console.log(JSON.stringify({
          roots: [read('roots', ${NOATIME}), read('roots', 0)],
          mine: [read('dir/mine', ${NOATIME}), read('dir/mine', 0)],
          directories: [list('dir', ${NOATIME}), list('dir', 0), list('.', ${NOATIME})],
          private: read('private', ${NOATIME}),
          created: attempt(() => root.create('new', 2, 0o644, { uid: 0, gid: 0 }, null)),
        }))`
      expect(asOrdinaryUser(script, { directory, atime })).toEqual({
        roots: ['roots', 'roots'],
        mine: ['dir/mine', 'dir/mine'],
        directories: [true, true, true],
        private: 'EACCES',
        created: 'EACCES',
      })
    },
  )

  it('leaves the times of access alone where it may: on its own files', () => {
    const directory = files()
    const script = `${begin}
      const time = (seconds) => ({ seconds, nanoseconds: 0 })
      const mine = root.lookup('dir', null).lookup('mine', null)
      mine.setattr({ atime: time(${old}), mtime: time(${old + 1}) }, null, 0)
      read('dir/mine', 0)
      const attributes = new Attributes()
      mine.getattr(attributes)
      console.log(JSON.stringify(attributes.atimeSec))`
    expect(asOrdinaryUser(script, { directory, atime: 'preserve' })).toBe(old)
    expect(asOrdinaryUser(script, { directory, atime: 'guest' })).toBeGreaterThan(old)
  })

  it('keeps what the guest’s root creates, and cannot give it away', () => {
    const directory = files()
    chownSync(directory, ordinaryId, ordinaryId)
    const script = `${begin}
      const owner = { uid: 0, gid: 0 }
      const { node } = root.create('new', 2, 0o4755, owner, null)
      root.mkdir('newdir', 0o1777, owner, null)
      console.log(JSON.stringify(attempt(() => node.setattr({ uid: 0 }, null, 0))))`
    expect(asOrdinaryUser(script, { directory, atime: 'preserve', umask: 0o077 })).toBe('EPERM')
    const made = ['new', 'newdir'].map((name) => statSync(join(directory, name)))
    expect(made.map(({ uid, gid }) => [uid, gid])).toEqual([
      [ordinaryId, ordinaryId],
      [ordinaryId, ordinaryId],
    ])
    expect(made.map(({ mode }) => mode & 0o7777)).toEqual([0o4755, 0o1777])
  })

  it('may resize a file through the fid that created it, whatever its mode', () => {
    const directory = files()
    chownSync(directory, ordinaryId, ordinaryId)
    const script = `${begin}
      const attributes = new Attributes()
      const { node, file } = root.create('new', 1, 0o400, { uid: 0, gid: 0 }, null)
      console.log(JSON.stringify([
        attempt(() => node.setattr({ size: 5 }, file, 0)) ?? 'done',
        attempt(() => node.getattr(attributes)) ?? attributes.size,
        attempt(() => node.setattr({ size: 5 }, null, 0)),
      ]))`
    expect(asOrdinaryUser(script, { directory, atime: 'preserve' })).toEqual(['done', 5, 'EACCES'])
  })

  it('is refused what the host refuses', () => {
    const directory = files()
    chmodSync(join(directory, 'dir'), 0o700)
    const script = `${begin}
      console.log(JSON.stringify([
        read('dir/mine', 0),
        list('dir', 0),
        attempt(() => root.mkdir('x', 0o755, { uid: 0, gid: 0 }, null)),
        attempt(() => root.unlink('roots', false)),
        attempt(() => root.lookup('roots', null).open(1)),
      ]))`
    const refused = asOrdinaryUser(script, { directory, atime: 'preserve' })
    expect(refused).toEqual(['EACCES', 'EACCES', 'EACCES', 'EACCES', 'EACCES'])
  })
})
