import fc from 'fast-check'
import { heapMemory } from '../../src/sys/memory.ts'
import type { KindName } from '../../src/9p/wire/kinds.ts'
import { messages, type MessageName, type Payload } from '../../src/9p/index.ts'

const u32 = fc.oneof(fc.integer({ min: 0, max: 0xffff_ffff }), fc.constantFrom(0, 1, 0xffff_ffff))

/** A byte string: what no text encoding may touch. */
const byteString = fc.oneof(
  fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
  fc.constantFrom('', '\u00ff', '\u00c3\u0028', '\0', 'x'.repeat(255), 'y'.repeat(4096)),
)

const qid = fc.record({
  type: fc.integer({ min: 0, max: 0xff }),
  version: u32,
  path: fc.bigInt({ min: 0n, max: 0xffff_ffff_ffff_ffffn }),
})

/** One generator for each kind of field; there is none for a message. */
const ofKind: { readonly [K in KindName]: fc.Arbitrary<unknown> } = {
  u8: fc.integer({ min: 0, max: 0xff }),
  u16: fc.integer({ min: 0, max: 0xffff }),
  u32,
  u64: fc.bigInt({ min: 0n, max: 0xffff_ffff_ffff_ffffn }),
  size: fc.oneof(
    fc.maxSafeNat(),
    fc.constantFrom(0, 0xffff_ffff, 0x1_0000_0000, Number.MAX_SAFE_INTEGER),
  ),
  // Times before 1970 are negative.
  seconds: fc.oneof(
    fc.maxSafeInteger(),
    fc.constantFrom(-1, 0, -0x1_0000_0000, -0xffff_ffff, Number.MIN_SAFE_INTEGER),
  ),
  mask: u32,
  string: byteString,
  qid,
  data: fc.uint8Array({ maxLength: 300 }).map(payload),
  strings: fc.array(byteString, { maxLength: 16 }),
  qids: fc.array(qid, { maxLength: 16 }),
}

function payload(bytes: Uint8Array): Payload {
  // Somewhere inside of its memory, as in life.
  const memory = heapMemory(bytes.length + 5)
  memory.bytes.set(bytes, 3)
  return { memory, offset: 3, length: bytes.length }
}

export const messageNames = Object.keys(messages) as MessageName[]

/** Any value of the fields that the table gives the request or the reply. */
export function fieldsOf(name: MessageName, side: 'T' | 'R'): fc.Arbitrary<never> {
  const fields = Object.entries<KindName>(messages[name][side])
  const record = Object.fromEntries(fields.map(([field, kind]) => [field, ofKind[kind]]))
  return fc.record(record) as unknown as fc.Arbitrary<never>
}

export const tags = fc.integer({ min: 0, max: 0xffff })
