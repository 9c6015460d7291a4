import { errno } from '../../../src/sys/errno.ts'
import {
  decodeRequest,
  limits,
  type MessageName,
  ProtocolError,
  payloadBytes,
  type Qid,
  readDirent,
  Reader,
  requestOfType,
} from '../../../src/9p/index.ts'
import { RLERROR } from '../../../src/9p/wire/messages.ts'
import type { HostTree } from '../../../src/tree/host/host-tree.ts'
import { bodyReader, memoryOf, requestFrame } from '../../support/frames.ts'
import { fieldsOf, type RawReply } from '../../support/session-probe.ts'
import { Model } from './model.ts'
import { verdictOn } from './oracle.ts'
import { expectKnownErrno, isOddName, Violation, WorldPromises } from '../promises.ts'
import type { CheckedClient, Protocol } from '../run.ts'
import type { World } from '../world.ts'
import { Generator } from './generate.ts'
import { frameOf, type Setup, type Step } from './steps.ts'
import { Wire } from './wire.ts'

/** The requests that may be answered later: blocking locks. */
const mayWait: ReadonlySet<string> = new Set(['lock'])

/** After so many milliseconds, a request that waits for a lock is answered BLOCKED (host-locks.ts). */
const PATIENCE = 30_000

/** The tag of the harness's own questions. */
const OWN_TAG = 0xfffe

const lostFiles = /^\d+ of its files are gone or have changed since it was saved$/

type Fields = Readonly<Record<string, unknown>>

/** A client that knows which answers are allowed. */
class CheckedClient9p implements CheckedClient<Step, Model> {
  readonly model = new Model()
  readonly #promises: WorldPromises
  readonly #serve: () => HostTree
  #tree: HostTree
  readonly #msize: number
  readonly #log: string[] = []
  /** Requests that wait for their answer, by tag. */
  readonly #waiting = new Map<number, MessageName>()
  #wire: Wire | undefined
  /** Bytes of a frame that is not whole yet. */
  #begun: Buffer = Buffer.alloc(0)

  /** @param serve makes a server's tree of the world's export. */
  constructor(world: World, serve: () => HostTree, { policy, msize }: Setup) {
    this.#promises = new WorldPromises(world, policy)
    this.#serve = serve
    this.#tree = serve()
    this.#msize = msize
  }

  /** @param how `hello` says Tversion and attaches the root as fid 0. */
  connect(how: 'hello' | 'silent' = 'hello'): void {
    this.disconnect()
    this.#wire = new Wire(this.#tree, (line) => this.#log.push(line))
    if (how === 'silent') return
    const version = { msize: this.#msize, version: limits.VERSION }
    this.#send(requestFrame(limits.NOTAG, 'version', version))
    const attach = { fid: 0, afid: limits.NOFID, uname: '', aname: '', uid: 0 }
    this.#send(requestFrame(1, 'attach', attach))
  }

  close(): void {
    this.disconnect()
    this.#tree.close()
  }

  disconnect(): void {
    this.#wire?.close()
    this.#wire = undefined
    this.model.fids.clear()
    this.model.msize = 0
    this.#waiting.clear()
    this.#begun = Buffer.alloc(0)
  }

  /** Lets time pass. Some requests that wait may then be answered. */
  wait(goesBy: () => void, milliseconds: number): void {
    goesBy()
    const replies = this.#wire?.taken() ?? []
    this.#promises.checkLog(this.#log)
    for (const reply of replies) this.#checkBytes(reply)
    this.#checkLate(replies)
    if (milliseconds === PATIENCE && this.#waiting.size > 0) {
      throw new Violation('no request waits for ever', `tags ${[...this.#waiting.keys()].join()}`)
    }
    this.#promises.checkWorld()
  }

  take(step: Step): void {
    if ('reconnect' in step) this.connect(step.reconnect)
    else if ('resume' in step) this.#resume()
    else this.#send('raw' in step ? Buffer.from(step.raw, 'hex') : frameOf(step))
    this.#promises.checkWorld()
  }

  /** Another server replaces this one, which is gone with its state. */
  #resume(): void {
    if (this.#wire === undefined) return
    const saved = this.#wire.save()
    this.#wire.close()
    this.#tree.close()
    this.#tree = this.#serve()
    this.#wire = new Wire(this.#tree, (line) => this.#log.push(line))
    this.#wire.load(saved)
    // Files may be gone because the host has removed them.
    this.#log.splice(0, this.#log.length, ...this.#log.filter((line) => !lostFiles.test(line)))
    this.#promises.checkLog(this.#log)
    const replies = this.#wire.taken()
    for (const reply of replies) this.#checkBytes(reply)
    this.#checkLate(replies)
  }

  /** Gives bytes to the server, split into frames as the server should see them. */
  #send(bytes: Buffer): void {
    if (this.#wire === undefined) this.connect('silent')
    let rest: Buffer = Buffer.concat([this.#begun, bytes])
    this.#begun = Buffer.alloc(0)
    let offered = rest.length - bytes.length
    while (rest.length > offered) {
      const size = rest.length < 4 ? Infinity : rest.readUInt32LE(0)
      const refused = size < limits.HEADER_BYTES || (size > this.#limit() && size !== Infinity)
      const whole = !refused && size <= rest.length
      const part = whole ? rest.subarray(0, size) : rest
      const replies = this.#offer(
        part.subarray(offered),
        refused ? 'must end' : whole ? part : null,
      )
      if (replies === null) return
      if (!whole) {
        this.#begun = part
        return
      }
      rest = rest.subarray(size)
      offered = 0
    }
  }

  #limit(): number {
    return this.model.msize || limits.MSIZE_MIN
  }

  /** @returns null when the server has ended the connection, as it should. */
  #offer(bytes: Buffer, frame: Buffer | 'must end' | null): RawReply[] | null {
    let replies: RawReply[]
    try {
      replies = this.#wire?.send(bytes) ?? []
    } catch (error) {
      if (!(error instanceof ProtocolError)) {
        throw new Violation('the process lives', error instanceof Error ? `${error.stack}` : '')
      }
      if (frame === null || (frame !== 'must end' && !this.#mayEnd(frame))) {
        throw new Violation('only what is malformed ends a connection', error.message)
      }
      this.#promises.checkLog(this.#log)
      this.disconnect()
      return null
    }
    this.#promises.checkLog(this.#log)
    for (const reply of replies) this.#checkBytes(reply)
    if (frame === 'must end')
      throw new Violation('what is malformed ends the connection', 'size[4]')
    if (frame === null) this.#checkLate(replies)
    else this.#checkReplies(frame, replies)
    return replies
  }

  #mayEnd(frame: Buffer): boolean {
    const { name, wellFormed } = verdictOn(frame)
    if (name === undefined) return false
    const early = this.model.msize === 0 && name !== 'version'
    return !wellFormed || early || this.#waiting.has(frame.readUInt16LE(5))
  }

  /** Exactly one reply with the request's tag, of the right type; others to requests that waited. */
  #checkReplies(frame: Buffer, replies: readonly RawReply[]): void {
    const tag = frame.readUInt16LE(5)
    const { name, wellFormed, tooLarge } = verdictOn(frame)
    const what = `T${name ?? frame[4]} with tag ${tag}`
    if (this.#mayEnd(frame) && !tooLarge) {
      throw new Violation('what is malformed ends the connection', what)
    }
    const own = replies.filter((reply) => reply.tag === tag)
    this.#checkLate(replies.filter((reply) => reply.tag !== tag))
    if (own.length === 0 && name !== undefined && mayWait.has(name)) {
      this.#waiting.set(tag, name)
      return
    }
    const [reply] = own
    if (reply === undefined || own.length > 1) {
      throw new Violation('each request has one reply', `${what} has ${own.length}`)
    }
    if (name === undefined || !wellFormed) {
      if (reply.type !== RLERROR) throw new Violation('a reply has its request’s type', what)
      return
    }
    const request = decodedFields(frame)
    const answer = this.#decoded(name, reply, what)
    if (request === null) {
      if (answer !== null) throw new Violation('nothing is made of numbers above 2^53', what)
      return
    }
    if (answer !== null) this.#checkSense(name, request, answer, what)
    if (name === 'flush') this.#waiting.delete(request['oldtag'] as number)
    if (name === 'version') this.#waiting.clear()
    this.model.answered(name, request, answer)
    if (tag !== OWN_TAG) this.#checkIdentity(request, what)
  }

  #checkLate(replies: readonly RawReply[]): void {
    for (const reply of replies) {
      const name = this.#waiting.get(reply.tag)
      if (name === undefined) {
        throw new Violation('each request has one reply', `tag ${reply.tag} has one too many`)
      }
      this.#waiting.delete(reply.tag)
      this.#decoded(name, reply, `T${name} that waited`)
    }
  }

  /** The reply's fields; null for an Rlerror, and for a file that has grown beyond 2^53 bytes. */
  #decoded(name: MessageName, reply: RawReply, what: string): Fields | null {
    try {
      return fieldsOf(name, reply)
    } catch (error) {
      if (error instanceof ProtocolError && error.code === 'NUMBER_TOO_LARGE') return null
      const number = (error as { errno?: number }).errno
      if (number === undefined) {
        throw new Violation('a reply has its request’s type', `${what}: ${String(error)}`)
      }
      expectKnownErrno(number, what)
      return null
    }
  }

  /** Checks what no request may achieve, before the model learns of the answer. */
  #checkSense(name: MessageName, request: Fields, answer: Fields, what: string): void {
    const { fids } = this.model
    const makes = name === 'attach' ? 'fid' : (name as string) === 'auth' ? 'afid' : 'newfid'
    for (const [field, value] of Object.entries(request)) {
      if (!field.endsWith('fid') || field === 'afid' || typeof value !== 'number') continue
      const known = fids.has(value)
      if (field === makes) {
        const onItself = name === 'walk' && value === request['fid']
        if ((known && !onItself) || value === limits.NOFID) {
          throw new Violation('a fid is given once', `${what} made ${value} again`)
        }
      } else if (!known) {
        throw new Violation('only fids that were made work', `${what} worked on ${value}`)
      }
    }
    for (const field of ['names', 'name', 'newname', 'oldname']) {
      const names = request[field]
      const isList = Array.isArray(names)
      for (const each of isList ? (names as string[]) : [names]) {
        if (typeof each !== 'string' || (name as string).startsWith('xattr')) continue
        const odd = isOddName(each)
        const granted = !isList || (answer['qids'] as Qid[]).length === names.length
        if (granted && (odd || (each === '..' && !isList))) {
          throw new Violation('a name is one component', `${what} took ${JSON.stringify(each)}`)
        }
      }
    }
    for (const qid of [answer['qid'], answer['qids']].flat() as (Qid | undefined)[]) {
      if (qid !== undefined) this.#promises.checkInode(qid.path, what)
    }
    if (name === 'readdir') this.#checkEntries(answer, what)
    if (name === 'read') {
      this.#checkHidden(request['fid'] as number, answer, what)
      const most = Math.min(request['count'] as number, this.model.msize)
      const { length } = answer['data'] as { length: number }
      if (length > most) throw new Violation('no more is read than asked for', what)
    }
  }

  #checkHidden(fid: number, answer: Fields, what: string): void {
    if (this.model.fids.get(fid)?.path !== null) return
    const bytes = payloadBytes(answer['data'] as Parameters<typeof payloadBytes>[0])
    this.#promises.checkHidden(bytes, what)
  }

  #checkEntries(answer: Fields, what: string): void {
    const bytes = payloadBytes(answer['data'] as Parameters<typeof payloadBytes>[0])
    const memory = memoryOf(bytes)
    const from = new Reader(memory).over(memory, 0, bytes.length)
    while (from.position < from.end) this.#promises.checkInode(readDirent(from).qid.path, what)
  }

  /** Checks that each fid of the request still stands for the same file. */
  #checkIdentity(request: Fields, what: string): void {
    for (const [field, number] of Object.entries(request)) {
      if (!field.endsWith('fid') || typeof number !== 'number') continue
      const known = this.model.fids.get(number)
      if (known === undefined || known.path === null || this.#waiting.has(OWN_TAG)) continue
      const frame = requestFrame(OWN_TAG, 'getattr', { fid: number, mask: 0x7ff })
      const [reply] = this.#offer(frame, frame) ?? []
      if (reply === undefined) continue
      const attributes = this.#decoded('getattr', reply, what)
      if (attributes === null) {
        if (reply.type === RLERROR && bodyReader(reply.frame).u32() === errno.EBADF) {
          throw new Violation('a fid stays what it is', `after ${what} fid ${number} is gone`)
        }
        continue
      }
      const { path } = attributes['qid'] as Qid
      if (path !== known.path) {
        const detail = `after ${what} fid ${number} is ${path} and was ${known.path}`
        throw new Violation('a fid stays what it is', detail)
      }
    }
  }

  #checkBytes(reply: RawReply): void {
    this.#promises.checkBytes(reply.frame, `a reply of type ${reply.type}`)
    if (reply.frame.length > Math.max(this.#limit(), limits.MSIZE_MIN)) {
      throw new Violation('a reply fits into msize', `${reply.frame.length} bytes`)
    }
  }
}

/** The fields of a valid request; null if a number is too large. */
function decodedFields(frame: Buffer): Fields | null {
  const message = requestOfType(frame[4] as number)
  if (message === undefined) return null
  try {
    return decodeRequest(message, bodyReader(frame))
  } catch (error) {
    if (error instanceof ProtocolError && error.code === 'NUMBER_TOO_LARGE') return null
    throw error
  }
}

export const protocol9p: Protocol<Setup, Step, Model> = {
  name: '9p',
  generator: (seed) => new Generator(seed),
  client: (world, serve, setup) => new CheckedClient9p(world, serve, setup),
}
