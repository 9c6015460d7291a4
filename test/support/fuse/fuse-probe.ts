import type { FusePolicy } from '../../../src/fuse/caching.ts'
import { FuseSession } from '../../../src/fuse/session.ts'
import type { Entry } from '../../../src/fuse/wire/kinds.ts'
import { ROOT_ID } from '../../../src/fuse/wire/limits.ts'
import type { MessageName, R, SilentMessage, T } from '../../../src/fuse/wire/messages.ts'
import { defaultLimits, type SessionLimits } from '../../../src/session/session-limits.ts'
import { ErrnoError } from '../../../src/sys/errno.ts'
import { payloadBytes } from '../../../src/sys/memory.ts'
import type { Exports } from '../../../src/tree/tree.ts'
import { fieldsOf } from './client.ts'
import { usualPolicy } from './fuse-server.ts'
import { type Asked, type Target, linuxInit, requestBytes, roomFor, uniqueOf } from './requests.ts'
import { SessionChannel } from './session-channel.ts'

/** One reply that the session has sent. */
export interface RawReply {
  readonly unique: number
  readonly bytes: Buffer
}

/** How a probe's session is made, where a test does not want it as usual. */
export interface ProbeOptions extends Partial<FusePolicy> {
  readonly limits?: Partial<SessionLimits>
  /** What the client says in INIT; null: the test says it itself. */
  readonly init?: Partial<T<'init'>> | null
}

/** A session whose client is the test: requests go in, replies are kept in the order they come. */
export class FuseProbe {
  readonly session: FuseSession
  readonly log: string[] = []
  /** Replies that the test has not taken yet. */
  replies: RawReply[] = []
  readonly channel: SessionChannel
  #unique = 1000

  constructor(exports: Exports, { limits, init = {}, ...policy }: ProbeOptions = {}) {
    this.session = new FuseSession(
      exports,
      { ...usualPolicy, ...policy },
      (line) => this.log.push(line),
      { ...defaultLimits, ...limits },
    )
    this.channel = new SessionChannel(this.session)
    this.channel.onReply = (bytes) => this.replies.push({ unique: uniqueOf(bytes), bytes })
    if (init !== null) this.call('init', { ...linuxInit, ...init })
  }

  /** Sends a request and leaves its reply, if there is one already, in {@link replies}. */
  send<M extends MessageName>(unique: number, name: M, asked: Asked<M>, target?: Target): void {
    this.sendRaw(requestBytes(unique, name, asked, target), roomFor(name, asked))
  }

  /** @param room how many bytes the reply may have. */
  sendRaw(request: Buffer, room = 1 << 20): void {
    this.channel.send(request, room)
  }

  /**
   * Sends a request that is answered at once; others that it wakes leave their replies in {@link replies}.
   *
   * @throws ErrnoError for an errno.
   */
  call<M extends MessageName>(name: M, asked: Asked<M> = {}, target?: Target): R<M> {
    // Not those that tests choose for what waits.
    const unique = this.#unique++
    const before = this.replies.length
    this.send(unique, name, asked, target)
    const since = this.replies.slice(before)
    const [reply, ...more] = since.filter((each) => each.unique === unique)
    if (reply === undefined || more.length > 0) {
      throw new Error(`${name} had ${more.length + (reply ? 1 : 0)} replies`)
    }
    this.replies = this.replies.filter((each) => each !== reply)
    return fieldsOf(name, reply.bytes)
  }

  /** The same, for a request that is refused: the errno. 0 if it is not refused. */
  errnoOf<M extends MessageName>(name: M, asked: Asked<M> = {}, target?: Target): number {
    try {
      this.call(name, asked, target)
    } catch (error) {
      if (error instanceof ErrnoError) return error.errno
      throw error
    }
    return 0
  }

  /** Sends a request that has no reply. */
  tell<M extends SilentMessage>(name: M, asked: Asked<M>, nodeid?: number): void {
    const before = this.replies.length + this.channel.forgotten
    this.send(this.#unique++, name, asked, nodeid === undefined ? {} : { nodeid })
    if (name !== 'interrupt' && this.replies.length + this.channel.forgotten !== before + 1) {
      throw new Error(`${name} was answered, or keeps its place`)
    }
  }

  /** The entry at the end of `path`; each directory on the way is looked up as well. */
  lookup(path: string, from = ROOT_ID): Entry {
    let nodeid = from
    let found: Entry | undefined
    for (const name of path.split('/')) {
      found = this.call('lookup', { name }, { nodeid }).entry
      nodeid = found.nodeid
    }
    return found!
  }

  /** The node id of {@link lookup}. */
  node(path: string, from = ROOT_ID): number {
    return this.lookup(path, from).nodeid
  }

  /** The file handle of a node, opened. */
  open(nodeid: number, flags = 0, target: Target = {}): number {
    return this.call('open', { flags }, { nodeid, ...target }).fh
  }

  /** What a READ of an open file gives, as a byte string. */
  read(fh: number, offset = 0, size = 4096, nodeid = ROOT_ID): string {
    const { data } = this.call('read', { fh, offset, size }, { nodeid })
    return payloadBytes(data).toString('latin1')
  }

  /** The replies that have come, and what they say; the test has taken them then. */
  taken<M extends MessageName>(
    name: M,
  ): { readonly unique: number; readonly reply: R<M> | number }[] {
    return this.replies.splice(0).map(({ unique, bytes }) => {
      try {
        return { unique, reply: fieldsOf(name, bytes) }
      } catch (error) {
        if (error instanceof ErrnoError) return { unique, reply: error.errno }
        throw error
      }
    })
  }
}
