import {
  linkSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import {
  flags,
  type MessageName,
  payloadBytes,
  type Qid,
  readDirent,
  Reader,
  type T,
} from '../../src/9p/index.ts'
import { HostTree } from '../../src/tree/host/host-tree.ts'
import { viewOf } from '../../src/tree/view/view-tree.ts'
import { errnoOf } from '../support/errors.ts'
import { memoryOf } from '../support/frames.ts'
import { ManualTimers } from '../support/manual-timers.ts'
import { memoryFolder } from '../support/memory-folder.ts'
import { fieldsOf, SessionProbe } from '../support/session-probe.ts'

/**
 * A request of the table. No request here removes the last name of a file, and no two clients use the same
 * files. So a session that goes on elsewhere must answer everything as if nothing had happened.
 */
interface Request {
  readonly name: MessageName
  readonly fields: never
}

/** Fid 0 is the root all the time. */
const fid = fc.integer({ min: 0, max: 7 })
const other = fc.integer({ min: 1, max: 7 })
const newfid = fc.integer({ min: 4, max: 14 })
const name = fc.constantFrom('file', 'twin', 'dir', 'inner', 'deep', 'link', 'new', 'hidden', '..')
const plain = fc.constantFrom('file', 'dir', 'deep', 'new', 'new2', 'new3', 'hidden')
const mode = fc.constantFrom(0o100644, 0o100600)
const { RDONLY, WRONLY, RDWR, APPEND, TRUNC, EXCL } = flags.open
const openFlags = fc.constantFrom(RDONLY, WRONLY, RDWR, RDWR | TRUNC, WRONLY | APPEND, RDWR | EXCL)
const offset = fc.integer({ min: 0, max: 12 })
const text = fc.string({ maxLength: 6, unit: 'grapheme-ascii' })
const attribute = fc.constantFrom('', 'user.a', 'user.b')

const request: fc.Arbitrary<Request> = fc.oneof(
  {
    weight: 6,
    arbitrary: of('walk', { fid, newfid, names: fc.array(name, { maxLength: 2 }) }),
  },
  { weight: 4, arbitrary: of('lopen', { fid, flags: openFlags }) },
  {
    weight: 2,
    arbitrary: of('lcreate', { fid: other, name: plain, flags: openFlags, mode, gid: just(0) }),
  },
  { weight: 3, arbitrary: of('read', { fid, offset, count: just(20) }) },
  {
    weight: 4,
    arbitrary: of('write', {
      fid,
      offset,
      data: text.map((each) => ({
        memory: memoryOf(Buffer.from(each)),
        offset: 0,
        length: each.length,
      })),
    }),
  },
  of('readdir', { fid, offset: just(0n), count: just(4000) }),
  of('getattr', { fid, mask: just(flags.getattr.BASIC) }),
  of('setattr', {
    fid,
    valid: fc.constantFrom(flags.setattr.MODE, flags.setattr.SIZE),
    mode: fc.constantFrom(0o600, 0o755),
    size: offset,
    uid: just(0),
    gid: just(0),
    atimeSec: just(0),
    atimeNsec: just(0),
    mtimeSec: just(0),
    mtimeNsec: just(0),
  }),
  of('mkdir', { dfid: fid, name: plain, mode: just(0o755), gid: just(0) }),
  of('symlink', { dfid: fid, name: plain, symtgt: just('file'), gid: just(0) }),
  of('link', { dfid: fid, fid, name: plain }),
  of('readlink', { fid }),
  of('xattrwalk', { fid, newfid, name: attribute }),
  of('xattrcreate', { fid: other, name: attribute, size: just(4n), flags: just(0) }),
  of('fsync', { fid, datasync: just(1) }),
  { weight: 4, arbitrary: of('lock', { ...range(), flags: fc.constantFrom(0, flags.lock.BLOCK) }) },
  of('getlock', range()),
  of('flush', { oldtag: fc.integer({ min: 0, max: 40 }) }),
  { weight: 2, arbitrary: of('clunk', { fid: other }) },
)

/** A name that was never used before. */
const rename = fc.record({ olddirfid: fid, oldname: plain, newdirfid: fid })

const step = fc.oneof(
  { weight: 12, arbitrary: request },
  { weight: 1, arbitrary: rename.map((fields) => ({ rename: fields })) },
)

function just<V>(value: V): fc.Arbitrary<V> {
  return fc.constant(value)
}

function range() {
  return {
    fid,
    type: fc.constantFrom(flags.lock.RDLCK, flags.lock.WRLCK, flags.lock.UNLCK),
    start: fc.constantFrom(0n, 1n, 2n),
    length: fc.constantFrom(0n, 1n, 2n),
    procId: fc.integer({ min: 1, max: 3 }),
    clientId: just('g'),
  }
}

function of<M extends MessageName>(
  message: M,
  fields: { readonly [F in keyof T<M>]: fc.Arbitrary<T<M>[F]> },
): fc.Arbitrary<Request> {
  const unnamed: Readonly<Record<string, fc.Arbitrary<unknown>>> = fields
  return fc.record(unnamed).map((value) => ({ name: message, fields: value as never }))
}

/** The state of the client at the beginning: it has files and directories, open and not open. */
const beginning: readonly (readonly [number, string, number?])[] = [
  [1, 'file', RDWR],
  [2, 'dir'],
  [3, 'dir/inner/deep', RDWR],
  [4, 'dir', RDONLY],
]

/** Servers that follow one another, each with its own tree, and a client that does not notice. */
class Conversation implements Disposable {
  readonly #folder = realpathSync(mkdtempSync(join(memoryFolder, 'lowerdir-test-')))
  readonly #hide: readonly string[]
  readonly #timers = new ManualTimers()
  readonly #names = new Map<number, MessageName>()
  /** Gives the qid.paths numbers, in the order in which they occur. */
  readonly #files = new Map<bigint, number>()
  #tree: HostTree
  #probe: SessionProbe
  #tag = 0

  constructor(hide: readonly string[]) {
    this.#hide = hide
    mkdirSync(join(this.#folder, 'dir/inner'), { recursive: true })
    for (const path of ['file', 'dir/inner/deep', 'dir/file', 'hidden']) {
      writeFileSync(join(this.#folder, path), path)
    }
    linkSync(join(this.#folder, 'file'), join(this.#folder, 'twin'))
    symlinkSync('file', join(this.#folder, 'link'))
    this.#tree = this.#serve()
    this.#probe = new SessionProbe(viewOf(this.#tree, { hide }), 8192).attach()
    for (const [number, path, how] of beginning) {
      this.#probe.walk(number, path)
      if (how !== undefined) this.#probe.open(number, how)
    }
  }

  #serve(): HostTree {
    const policy = { readOnly: false, owner: 'host', atime: 'preserve' } as const
    return new HostTree(this.#folder, policy, this.#timers.later)
  }

  interrupt(): void {
    const saved = this.#probe.session.save()
    const { replies } = this.#probe
    this.#leave()
    this.#tree = this.#serve()
    this.#probe = new SessionProbe(viewOf(this.#tree, { hide: this.#hide }), 0).load(saved)
    this.#probe.replies.unshift(...replies)
  }

  /** All replies so far, without what depends on the folder. */
  ask(message: MessageName, fields: never): string[] {
    this.#tag++
    this.#names.set(this.#tag, message)
    this.#probe.send(this.#tag, message, fields)
    return this.#probe.replies.splice(0).map((reply) => {
      const asked = this.#names.get(reply.tag) as MessageName
      const answer = (): string => this.#shown(asked, fieldsOf(asked, reply))
      const refused = errnoOf(answer)
      return `${reply.tag} ${asked} ${refused === 0 ? answer() : `errno ${refused}`}`
    })
  }

  #shown(asked: MessageName, fields: Readonly<Record<string, unknown>>): string {
    const shown = Object.entries(fields).flatMap(([key, value]) => {
      if (/Sec$|Nsec$|^blocks$/.test(key)) return []
      if (key === 'qid') return [this.#qid(value as Qid)]
      if (key === 'qids') return [(value as Qid[]).map((qid) => this.#qid(qid)).join()]
      if (key !== 'data') return [`${key}=${String(value)}`]
      const bytes = payloadBytes(value as Parameters<typeof payloadBytes>[0])
      return [asked === 'readdir' ? entries(bytes) : bytes.toString('latin1')]
    })
    return shown.join(' ')
  }

  #qid({ type, path }: Qid): string {
    const number = this.#files.get(path) ?? this.#files.size
    this.#files.set(path, number)
    return `${type}:${number}`
  }

  #leave(): void {
    this.#probe.session.close()
    this.#tree.close()
    // No file that existed is gone.
    if (this.#probe.log.length > 0) throw new Error(this.#probe.log.join('; '))
  }

  [Symbol.dispose](): void {
    try {
      this.#leave()
    } finally {
      rmSync(this.#folder, { recursive: true, force: true })
    }
  }
}

function entries(bytes: Buffer): string {
  const memory = memoryOf(bytes)
  const from = new Reader(memory).over(memory, 0, bytes.length)
  const names: string[] = []
  while (from.position < from.end) names.push(readDirent(from).name)
  return names.toSorted().join()
}

it('answers every request as it would without an interruption, wherever that is', () => {
  const lengths = { minLength: 20, maxLength: 60 }
  let answered = 0
  let interrupted = 0
  const property = fc.property(
    fc.array(fc.tuple(step, fc.integer({ min: 0, max: 3 })), lengths),
    fc.constantFrom([], ['hidden']),
    (steps, hide) => {
      using whole = new Conversation(hide)
      using broken = new Conversation(hide)
      for (const [index, [each, luck]] of steps.entries()) {
        const { name: message, fields } =
          'rename' in each
            ? {
                name: 'renameat' as const,
                fields: { ...each.rename, newname: `n${index}` } as never,
              }
            : each
        if (luck === 0) {
          broken.interrupt()
          interrupted++
        }
        const expected = whole.ask(message, fields)
        expect(broken.ask(message, fields)).toEqual(expected)
        answered += expected.filter((line) => !line.includes('errno')).length
      }
    },
  )
  fc.assert(property, { numRuns: 150 })
  // Most requests succeed.
  expect(answered).toBeGreaterThan(700)
  expect(interrupted).toBeGreaterThan(500)
})
