import type { Kind } from '../../wire/struct.ts'
import { ProtocolError } from '../../wire/protocol-error.ts'
import { WALK_NAMES_MAX } from './limits.ts'
import { type Payload, payloadBytes } from '../../sys/memory.ts'
import type { Qid } from './qid.ts'

function list<V>(item: Kind<V>): Kind<readonly V[]> {
  return {
    least: 2,
    read(from) {
      const count = from.u16()
      if (count > WALK_NAMES_MAX) {
        throw new ProtocolError('LIST_TOO_LONG', `${count} elements where 16 are allowed`)
      }
      const values: V[] = []
      for (let i = 0; i < count; i++) values.push(item.read(from))
      return values
    },
    write(to, values) {
      to.u16(values.length)
      for (const value of values) item.write(to, value)
    },
  }
}

const string: Kind<string> = {
  least: 2,
  read: (from) => from.string(),
  write: (to, value) => to.string(value),
}

const qid: Kind<Qid> = {
  least: 13,
  read: (from) => ({ type: from.u8(), version: from.u32(), path: from.u64() }),
  write(to, value) {
    to.u8(value.type)
    to.u32(value.version)
    to.u64(value.path)
  },
}

/**
 * count[4] data[count]. Reading does not copy: the value says where the bytes lie. Only a client writes this
 * kind; a server uses encodePayloadReply (codec.ts), which does not copy either.
 */
const data: Kind<Payload> = {
  least: 4,
  read(from) {
    const length = from.u32()
    return { memory: from.memory, offset: from.take(length), length, pieces: from.tail }
  },
  write(to, payload) {
    to.u32(payload.length)
    const start = to.take(payload.length)
    to.memory.bytes.set(payloadBytes(payload), start)
  },
}

const u8: Kind<number> = { least: 1, read: (r) => r.u8(), write: (w, v) => w.u8(v) }
const u32: Kind<number> = { least: 4, read: (r) => r.u32(), write: (w, v) => w.u32(v) }
const u64: Kind<bigint> = { least: 8, read: (r) => r.u64(), write: (w, v) => w.u64(v) }
const size: Kind<number> = { least: 8, read: (r) => r.size(), write: (w, v) => w.size(v) }
const seconds: Kind<number> = { least: 8, read: (r) => r.seconds(), write: (w, v) => w.seconds(v) }
const mask: Kind<number> = { least: 8, read: (r) => r.mask(), write: (w, v) => w.mask(v) }
const u16: Kind<number> = { least: 2, read: (r) => r.u16(), write: (w, v) => w.u16(v) }

/**
 * Every kind of field that the table in messages.ts uses. For a u64 of the protocol there are four kinds:
 * `u64` where all 64 bits matter (cookies), `size` for offsets and sizes, `seconds` for times, `mask` for bit
 * sets.
 */
export const kinds = {
  u8,
  u16,
  u32,
  u64,
  size,
  seconds,
  mask,
  string,
  qid,
  data,
  strings: list(string),
  qids: list(qid),
}

export type KindName = keyof typeof kinds
export type KindValue<K extends KindName> = ReturnType<(typeof kinds)[K]['read']>
