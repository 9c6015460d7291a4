import { GETATTR_FH, setattr } from '../../../src/fuse/wire/flags.ts'
import { opcodeAt, requestOfOpcode, decodeRequest } from '../../../src/fuse/wire/codec.ts'
import type { Entry } from '../../../src/fuse/wire/kinds.ts'
import { IN_HEADER_BYTES, MAJOR, OUT_HEADER_BYTES, ROOT_ID } from '../../../src/fuse/wire/limits.ts'
import { type MessageName, type Row, messages } from '../../../src/fuse/wire/messages.ts'
import { FuseSession } from '../../../src/fuse/session.ts'
import { clientMemory } from '../../../src/session/client-memory.ts'
import { defaultLimits, type SessionLimits } from '../../../src/session/session-limits.ts'
import { errno, ErrnoError } from '../../../src/sys/errno.ts'
import { type Payload, payloadBytes } from '../../../src/sys/memory.ts'
import type { HostTree } from '../../../src/tree/host/host-tree.ts'
import { modes } from '../../../src/tree/flags.ts'
import { Reader } from '../../../src/wire/cursor.ts'
import { ProtocolError } from '../../../src/wire/protocol-error.ts'
import { memoryOf } from '../../support/frames.ts'
import { fieldsOf } from '../../support/fuse/client.ts'
import { entriesIn, plusEntriesIn } from '../../support/fuse/directory-entries.ts'
import { linuxInit, requestBytes, uniqueOf } from '../../support/fuse/requests.ts'
import { SessionChannel } from '../../support/fuse/session-channel.ts'
import { expectKnownErrno, expectSame, isOddName, Violation, WorldPromises } from '../promises.ts'
import type { CheckedClient, Protocol } from '../run.ts'
import type { World } from '../world.ts'
import { Generator } from './generate.ts'
import { isAboutNode, Model } from './model.ts'
import { verdictOn } from './oracle.ts'
import { bytesOf, roomOf, type Setup, type Step } from './steps.ts'

type Fields = Readonly<Record<string, unknown>>

/** The request that may be answered later. */
const MAY_WAIT: MessageName = 'setlkw'

/** The number of the harness's own questions. */
const OWN = 2 ** 40

/** Lines that a client may cause. */
const expected = /^has reached its limit of \d+ fids|^left \d+ bytes for the answer to /

/** Room for any reply. */
const ROOM = 1 << 17

/** A client that knows which answers are allowed. */
class CheckedFuseClient implements CheckedClient<Step, Model> {
  readonly model = new Model()
  readonly #promises: WorldPromises
  readonly #tree: HostTree
  readonly #session: FuseSession
  readonly #channel: SessionChannel
  readonly #log: string[] = []
  readonly #freeMemory: () => number
  readonly #freeBefore: number
  /** Requests that wait for their answer. */
  readonly #waiting = new Set<number>()
  /** Replies that were not looked at yet. */
  #replies: Buffer[] = []
  /** How many requests were made whose place was neither used nor given back. */
  #places = 0

  constructor(world: World, serve: () => HostTree, { policy, fuse, fids }: Setup) {
    this.#promises = new WorldPromises(world, policy)
    this.#tree = serve()
    const limits: SessionLimits = {
      ...defaultLimits,
      ...(fids === undefined ? {} : { fids }),
      parked: 8,
    }
    const memory = clientMemory(this.#tree, limits.memory)
    this.#freeMemory = () => memory.left
    this.#freeBefore = memory.left
    this.#session = new FuseSession(this.#tree, fuse, (line) => this.#log.push(line), limits)
    this.#channel = new SessionChannel(this.#session)
    this.#channel.onReply = (reply) => void this.#replies.push(reply)
  }

  connect(): void {
    this.#reset('hello')
  }

  take(step: Step): void {
    if ('reset' in step) this.#reset(step.reset)
    else if ('raw' in step) this.#send(Buffer.from(step.raw, 'hex'), step.room)
    else this.#send(bytesOf(step), roomOf(step))
    this.#promises.checkWorld()
  }

  wait(goesBy: () => void): void {
    goesBy()
    this.#checkLog()
    this.#checkLate(this.#taken())
    this.#promises.checkWorld()
  }

  disconnect(): void {
    this.#session.close()
    this.#ended()
    expectSame('nothing is kept of a session', this.#freeMemory(), this.#freeBefore)
  }

  close(): void {
    this.#session.close()
    this.#tree.close()
  }

  /** As the device does it when its driver begins anew. */
  #reset(how: 'hello' | 'silent'): void {
    this.#session.reset()
    this.#ended()
    if (how === 'silent') return
    this.#send(requestBytes(OWN + 1, 'init', linuxInit), ROOM)
  }

  /** The session is over, with all that waited. */
  #ended(): void {
    this.model.clear()
    this.#waiting.clear()
    this.#checkLog()
    expectSame('nothing is answered after the end', this.#taken().length, 0)
    expectSame('each place is used once', this.#places - this.#channel.forgotten, 0)
    this.#places = 0
    this.#channel.forgotten = 0
    expectSame('no node is left of a session', this.#session.nodes.size, 0)
    expectSame('no open file is left of a session', this.#session.files.size, 0)
  }

  #taken(): Buffer[] {
    const replies = this.#replies
    this.#replies = []
    this.#places -= replies.length
    for (const reply of replies) this.#promises.checkBytes(reply, 'a reply')
    return replies
  }

  #send(bytes: Buffer, room: number): void {
    const verdict = verdictOn(bytes)
    const row: Row | undefined = verdict.name && messages[verdict.name]
    // A device does not hand on a request whose reply has no room.
    if (row?.R !== null && room < OUT_HEADER_BYTES) return
    try {
      this.#places++
      this.#channel.send(bytes, room)
    } catch (error) {
      this.#places--
      if (!(error instanceof ProtocolError)) {
        throw new Violation('the process lives', error instanceof Error ? `${error.stack}` : '')
      }
      if (!this.#mayEnd(bytes)) {
        throw new Violation('only what is malformed ends a session', error.message)
      }
      this.#checkLog()
      this.#taken()
      this.#reset('silent')
      return
    }
    this.#checkLog()
    this.#checkReplies(bytes, room)
    this.#checkTables()
  }

  #mayEnd(bytes: Buffer): boolean {
    const { isFramed, isWhole, name } = verdictOn(bytes)
    if (!isFramed) return true
    if (name === undefined) return false
    return !isWhole || this.#mustEnd(bytes) || hasWrongSize(name, bytes)
  }

  #mustEnd(bytes: Buffer): boolean {
    const { isFramed, isWhole, tooLarge, name } = verdictOn(bytes)
    if (!isFramed) return true
    if (name === undefined) return false
    const { R }: Row = messages[name]
    if (!this.model.hasBegun && name !== 'init' && R !== null) return true
    return (!isWhole && !tooLarge) || this.#waiting.has(uniqueOf(bytes))
  }

  /** Exactly one reply with the request's number, or none to a request without a reply; others to requests that waited. */
  #checkReplies(bytes: Buffer, room: number): void {
    const unique = uniqueOf(bytes)
    const { name, isWhole } = verdictOn(bytes)
    const what = `${name ?? `opcode ${opcodeAt(memoryOf(bytes), 0)}`} with number ${unique}`
    if (this.#mustEnd(bytes)) throw new Violation('what is malformed ends the session', what)
    const replies = this.#taken()
    const own = replies.filter((reply) => uniqueOf(reply) === unique)
    const request = name === undefined || !isWhole ? null : decodedRequest(name, bytes)
    if (name === 'interrupt' && request !== null) {
      const interrupted = request['unique'] as number
      this.#checkLate(replies)
      if (this.#waiting.has(interrupted)) {
        throw new Violation('an interrupt ends a wait', `${interrupted} waits on`)
      }
      return
    }
    this.#checkLate(replies.filter((reply) => uniqueOf(reply) !== unique))
    if (name !== undefined && (messages[name] as Row).R === null) {
      expectSame('what has no reply gets none', own.length, 0)
      if (request !== null) this.#forget(name, bytes, request)
      return
    }
    if (own.length === 0 && name === MAY_WAIT) {
      this.#waiting.add(unique)
      return
    }
    const [reply] = own
    if (reply === undefined || own.length > 1) {
      throw new Violation('each request has one reply', `${what} has ${own.length}`)
    }
    if (reply.length > room) {
      throw new Violation('a reply fits into its room', `${what}: ${reply.length} of ${room}`)
    }
    if (name === undefined || request === null) {
      if (reply.readInt32LE(4) >= 0) throw new Violation('what is no request fails', what)
      return
    }
    this.#take(name, nodeOf(bytes), request, reply, what)
  }

  /** The reply to a whole request. */
  #take(name: MessageName, nodeid: number, request: Fields, reply: Buffer, what: string): void {
    let answer: Fields
    try {
      answer = fieldsOf(name, reply)
    } catch (error) {
      // A file has grown beyond 2^53 bytes. Its node was told all the same.
      if (error instanceof ProtocolError && error.code === 'NUMBER_TOO_LARGE') {
        this.#reset('hello')
        return
      }
      if (!(error instanceof ErrnoError)) {
        throw new Violation('a reply has its request’s form', `${what}: ${String(error)}`)
      }
      expectKnownErrno(error.errno, what)
      this.#refused(name, request, error.errno)
      return
    }
    this.#checkSense(name, nodeid, request, what)
    this.#learn(name, nodeid, request, answer, what)
    if (uniqueOf(reply) < OWN) this.#checkIdentity(nodeid, request, what)
  }

  /** What a refused request has changed all the same. */
  #refused(name: MessageName, request: Fields, ecode: number): void {
    const fh = request['fh'] as number
    if (name !== 'release' && name !== 'releasedir') return
    if (ecode === errno.EBADF && this.model.handles.has(fh)) {
      throw new Violation('a file stays open until it is released', `file handle ${fh} is gone`)
    }
    // As close(2): whatever the answer is, it is closed.
    this.model.handles.delete(fh)
  }

  /** Checks what no request may achieve, before the model learns of the answer. */
  #checkSense(name: MessageName, nodeid: number, request: Fields, what: string): void {
    const { nodes, handles } = this.model
    const isUnasked = request['fh'] === 0
    const asked: unknown[] = [request['newdir'], request['oldnodeid']]
    if (isAboutNode(name) || (isUnasked && unaskedReads.has(name))) asked.push(nodeid)
    for (const id of asked) {
      if (typeof id === 'number' && !nodes.has(id)) {
        throw new Violation('only nodes that were told work', `${what} worked on ${id}`)
      }
    }
    const used: unknown[] = [request['fhOut']]
    if (!isUnasked && usesHandle(name, request)) used.push(request['fh'])
    for (const fh of used) {
      if (typeof fh === 'number' && !handles.has(fh)) {
        throw new Violation('only files that were opened work', `${what} worked on ${fh}`)
      }
    }
    for (const field of ['name', 'oldname', 'newname']) {
      const each = request[field]
      if (typeof each !== 'string' || name.endsWith('xattr')) continue
      // `..` is looked up for a server of files in the guest.
      const isUp = each === '..' && name !== 'lookup'
      if (name !== 'tmpfile' && (isOddName(each) || isUp)) {
        throw new Violation('a name is one component', `${what} took ${JSON.stringify(each)}`)
      }
    }
  }

  /** The model learns of an answer. */
  #learn(name: MessageName, nodeid: number, request: Fields, answer: Fields, what: string): void {
    const { model } = this
    if (name === 'destroy') {
      model.clear()
      this.#waiting.clear()
    }
    if (name === 'init') {
      // A client with a later major version has to say it again.
      if (request['major'] === MAJOR) {
        this.#waiting.clear()
        model.begin(0n, modes.DIRECTORY)
      }
      return
    }
    if (name === 'release' || name === 'releasedir') model.handles.delete(request['fh'] as number)
    const entry = answer['entry'] as Entry | undefined
    const newNode = entry?.nodeid ?? nodeid
    if (entry !== undefined) this.#told(entry, nodeid, String(request['name']), what)
    if (typeof answer['fh'] === 'number') {
      const isDirectory = name === 'opendir'
      this.#expect(model.opened(answer['fh'], { nodeid: newNode, isDirectory }), what)
    }
    const data = answer['data'] as Payload | undefined
    if (data === undefined) return
    if (name !== 'readlink' && (request['size'] as number) > 0) {
      if (data.length > (request['size'] as number)) {
        throw new Violation('no more is read than asked for', what)
      }
    }
    if (name === 'getxattr' || name === 'listxattr') {
      this.#promises.checkHidden(payloadBytes(data), what)
    }
    if (name === 'readdir') {
      for (const { ino } of entriesIn(data)) this.#promises.checkInode(ino, what)
    }
    if (name === 'readdirplus') {
      for (const { entry: plus, ino, name: its } of plusEntriesIn(data)) {
        this.#promises.checkInode(ino, what)
        if (plus.nodeid !== 0) this.#told(plus, nodeid, its, what)
      }
    }
  }

  #told({ nodeid, attributes }: Entry, above: number, name: string, what: string): void {
    // The client may remember that there is no such file.
    if (nodeid === 0) return
    const { ino, mode } = attributes
    this.#promises.checkInode(ino, what)
    const parent = this.model.nodes.get(above)?.where ?? ''
    const where = parent === '' ? name : `${parent}/${name}`
    if (nodeid === ROOT_ID) return
    this.#expect(this.model.told(nodeid, ino, mode & modes.TYPE, where), what)
  }

  #expect(wrong: string | undefined, what: string): void {
    if (wrong !== undefined)
      throw new Violation('a number stands for one file', `${what}: ${wrong}`)
  }

  #forget(name: MessageName, bytes: Buffer, request: Fields): void {
    if (name === 'forget') this.model.forgotten(nodeOf(bytes), request['count'] as number)
    const nodes = (request['nodes'] ?? []) as readonly { nodeid: number; count: number }[]
    for (const { nodeid, count } of nodes) this.model.forgotten(nodeid, count)
  }

  #checkLate(replies: readonly Buffer[]): void {
    for (const reply of replies) {
      const unique = uniqueOf(reply)
      if (!this.#waiting.delete(unique)) {
        throw new Violation('each request has one reply', `${unique} has one too many`)
      }
      const ecode = -reply.readInt32LE(4)
      if (ecode !== 0) expectKnownErrno(ecode, `${MAY_WAIT} that waited`)
    }
  }

  /** The session holds what the client was told of, and nothing else. */
  #checkTables(): void {
    const { nodes, files } = this.#session
    const { model } = this
    expectSame('the server has the client’s nodes', nodes.size, model.nodes.size)
    for (const [id, { lookups }] of nodes.all) {
      const known = model.nodes.get(id)?.lookups
      if (known !== lookups) {
        throw new Violation(
          'the server counts as the client does',
          `node ${id} was told ${lookups} times, of which the client knows ${known}`,
        )
      }
    }
    expectSame('the server has the client’s open files', files.size, model.handles.size)
    const free = this.#places - this.#channel.forgotten
    expectSame('each place is used once', free, this.#waiting.size)
  }

  /** Checks that each node of the request still stands for the same file. */
  #checkIdentity(nodeid: number, request: Fields, what: string): void {
    for (const id of [nodeid, request['newdir'], request['oldnodeid']]) {
      if (typeof id !== 'number' || id === ROOT_ID) continue
      const known = this.model.nodes.get(id)
      if (known === undefined) continue
      const asked = requestBytes(OWN + 2, 'getattr', {}, { nodeid: id })
      this.#places++
      this.#channel.send(asked, ROOM)
      this.#checkLog()
      const [reply] = this.#taken()
      if (reply === undefined || reply.readInt32LE(4) !== 0) continue
      const ino = reply.readBigUInt64LE(OUT_HEADER_BYTES + 16)
      if (ino !== known.ino) {
        const detail = `after ${what} node ${id} is ${ino} and was ${known.ino}`
        throw new Violation('a number stands for one file', detail)
      }
    }
  }

  #checkLog(): void {
    this.#promises.checkLog(this.#log, expected)
  }
}

/** Requests that read a file of a read-only tree that was opened without asking. */
const unaskedReads: ReadonlySet<MessageName> = new Set<MessageName>([
  'read',
  'readdir',
  'readdirplus',
  'lseek',
])

/** Whether the request works on an open file. */
function usesHandle(name: MessageName, request: Fields): boolean {
  const { T }: Row = messages[name]
  if (!('fh' in T)) return false
  if (name === 'getattr' || name === 'statx') {
    return ((request['flags'] as number) & GETATTR_FH) !== 0
  }
  if (name === 'setattr') return ((request['valid'] as number) & setattr.FH) !== 0
  return name !== 'flush'
}

/** The node in the header. */
function nodeOf(bytes: Buffer): number {
  return Number(bytes.readBigUInt64LE(16))
}

/** The fields of a request; null if a number is too large. */
function decodedRequest(name: MessageName, bytes: Buffer): Fields | null {
  const message = requestOfOpcode(messages[name].opcode)
  if (message === undefined) return null
  const memory = memoryOf(bytes)
  const end = bytes.length - bytes.readUInt16LE(36) * 8
  try {
    return decodeRequest(message, new Reader(memory).over(memory, IN_HEADER_BYTES, end))
  } catch (error) {
    if (error instanceof ProtocolError && error.code === 'NUMBER_TOO_LARGE') return null
    throw error
  }
}

/** Whether a request has more or fewer data than its size says. */
function hasWrongSize(name: MessageName, bytes: Buffer): boolean {
  if (name !== 'write' && name !== 'setxattr') return false
  const request = decodedRequest(name, bytes)
  if (request === null) return false
  const { length } = (request['data'] ?? request['value']) as Payload
  return length !== request['size']
}

export const protocolFuse: Protocol<Setup, Step, Model> = {
  name: 'fuse',
  generator: (seed) => new Generator(seed),
  client: (world, serve, setup) => new CheckedFuseClient(world, serve, setup),
}
