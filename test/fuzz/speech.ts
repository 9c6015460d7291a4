import { messages } from '../../src/fuse/wire/messages.ts'
import { lock } from '../../src/fuse/wire/flags.ts'
import { limits, type MessageName, type T } from '../../src/9p/index.ts'
import { memoryOf, requestFrame } from '../support/frames.ts'
import { linuxFuse } from '../support/fuse/layouts.ts'
import {
  linuxInit,
  messageNames,
  payload,
  rawRequest,
  requestBytes,
  roomFor,
} from '../support/fuse/requests.ts'
import { byteByByte, type Layout, linux, scattered } from '../support/vhost-user/layouts.ts'
import type { Random } from './random.ts'

/** A request, and how many bytes its answer may have. */
export interface Spoken {
  readonly bytes: Buffer
  readonly room: number
}

/** What a hostile driver says to a type of device. */
export interface Speech {
  /** How many queues it uses at most. */
  readonly queues: number
  readonly layouts: readonly Layout[]
  /** Begins a session, and opens the file `file`. */
  hello(): readonly Spoken[]
  request(random: Random): Spoken
}

const MSIZE = 8192

/** 9P. */
export class NineSpeech implements Speech {
  readonly queues = 1
  readonly layouts = [linux, scattered, byteByByte]
  #tag = 0

  hello(): readonly Spoken[] {
    const attach = { fid: 0, afid: limits.NOFID, uname: '', aname: '', uid: 0 }
    return [
      this.#say('version', { msize: MSIZE, version: limits.VERSION }),
      this.#say('attach', attach),
      this.#say('walk', { fid: 0, newfid: 1, names: ['file'] }),
      this.#say('lopen', { fid: 1, flags: 2 }),
    ]
  }

  request(random: Random): Spoken {
    const fid = random.upTo(2)
    const offset = random.upTo(20_000)
    const data = { memory: memoryOf(random.bytes(random.pick([1, 100, 3000]))), offset: 0 }
    const range = { start: 0n, length: 0n, procId: random.upTo(1), clientId: 'g' }
    switch (random.upTo(7)) {
      case 0:
        return this.#say('getattr', { fid, mask: 0xfff })
      case 1:
        return this.#say('read', { fid, offset, count: random.pick([1, 2000, 8000, 2 ** 32 - 1]) })
      case 2:
        return this.#say('write', {
          fid,
          offset,
          data: { ...data, length: data.memory.bytes.length },
        })
      case 3:
        return this.#say('lock', { fid: 1, type: random.upTo(2), flags: random.upTo(1), ...range })
      case 4:
        return this.#say('flush', { oldtag: random.upTo(this.#tag) })
      case 5:
        return this.#say('walk', { fid, newfid: 2, names: random.pick([[], ['file'], ['..']]) })
      case 6:
        return this.#say('readdir', { fid, offset: 0n, count: 8000 })
      default:
        return this.#say('clunk', { fid: 2 })
    }
  }

  #say<M extends MessageName>(name: M, fields: T<M>): Spoken {
    const tag = name === 'version' ? limits.NOTAG : this.#tag++ % 1000
    return { bytes: requestFrame(tag, name, fields), room: MSIZE }
  }
}

/** FUSE. */
export class FuseSpeech implements Speech {
  readonly queues = 4
  readonly layouts = [linuxFuse, scattered, byteByByte]
  #unique = 0

  hello(): readonly Spoken[] {
    return [
      this.#say('init', linuxInit),
      this.#say('lookup', { name: 'file' }),
      this.#say('open', { flags: 2 }, 2),
      this.#say('opendir', {}),
    ]
  }

  request(random: Random): Spoken {
    // The numbers that a session gives out first.
    const nodeid = random.pick([1, 1, 2, 2, 3, 9])
    const fh = random.pick([1, 1, 2, 9])
    const size = random.pick([0, 1, 2000, 8000])
    const offset = random.upTo(20_000)
    const range = { start: 0n, end: BigInt(random.upTo(5)), owner: BigInt(random.upTo(2)) }
    switch (random.upTo(11)) {
      case 0:
        return this.#say('getattr', { flags: random.upTo(1), fh }, nodeid)
      case 1:
        return this.#say('read', { fh, offset, size }, nodeid)
      case 2: {
        const data = payload(random.bytes(random.pick([1, 100, 3000])))
        return this.#say('write', { fh, offset, data }, nodeid)
      }
      case 3:
        return this.#say('setlkw', { fh, type: random.pick(Object.values(lock)), ...range }, nodeid)
      case 4:
        return this.#say('interrupt', { unique: random.upTo(this.#unique) })
      case 5:
        return this.#say('lookup', { name: random.pick(['file', '..', 'none']) }, nodeid)
      case 6:
        return this.#say('readdirplus', { fh, size }, nodeid)
      case 7:
        return this.#say('forget', { count: random.upTo(2) }, nodeid)
      case 8:
        return this.#say('batchForget', { nodes: [{ nodeid, count: 1 }] })
      case 9:
        return this.#say(random.pick(['release', 'open', 'opendir', 'destroy', 'init']), {}, nodeid)
      case 10: {
        const { opcode } = messages[random.pick(messageNames)]
        const body = random.bytes(random.upTo(100))
        const room = random.pick([0, 15, 16, 100, 5000])
        return { bytes: rawRequest(++this.#unique, opcode, body, nodeid), room }
      }
      default:
        return this.#say('statfs', {}, nodeid)
    }
  }

  #say(name: (typeof messageNames)[number], asked: object, nodeid = 1): Spoken {
    const bytes = requestBytes(++this.#unique, name, asked, { nodeid })
    return { bytes, room: roomFor(name, asked) }
  }
}
