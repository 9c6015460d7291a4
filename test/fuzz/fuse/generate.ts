import { lock } from '../../../src/fuse/wire/flags.ts'
import { IN_HEADER_BYTES, ROOT_ID } from '../../../src/fuse/wire/limits.ts'
import type { MessageName } from '../../../src/fuse/wire/messages.ts'
import { messageNames } from '../../support/fuse/requests.ts'
import { hostPolicy, hostStep, timers } from '../host-steps.ts'
import { Random } from '../random.ts'
import type { JsonFields, WorldStep } from '../trace.ts'
import type { Model } from './model.ts'
import { bytesOf, type RequestStep, roomOf, type Setup, type Step } from './steps.ts'
import { hasChance, requestFor } from './values.ts'

/** The weight of each request if it is not the usual 4. A new row of the table needs no entry. */
const weights: Readonly<Partial<Record<MessageName, number>>> = {
  lookup: 24,
  open: 12,
  opendir: 8,
  create: 8,
  read: 8,
  readdir: 6,
  readdirplus: 8,
  write: 8,
  forget: 6,
  setlkw: 8,
  interrupt: 6,
  init: 1,
  destroy: 1,
}

const messageWeights = Object.fromEntries(
  messageNames.map((name) => [name, weights[name] ?? 4]),
) as Record<MessageName, number>

/** The steps of a run, the same for the same seed and the same answers. */
export class Generator {
  readonly setup: Setup
  readonly #random: Random
  readonly #length: number
  #taken = 0
  #unique = 2
  /** The numbers of the last requests that may wait. */
  readonly #waiting: number[] = []
  /** The next steps, whatever the last answer was. */
  #planned: Step[] = []

  constructor(seed: number) {
    this.#random = new Random(seed)
    const random = this.#random
    this.setup = {
      seed,
      policy: hostPolicy(random),
      fuse: {
        caching: random.pick(['none', 'mmap', 'loose']),
        remoteLocks: random.chance(80),
        ...(random.chance(20) ? { writeback: true } : {}),
        ...(random.chance(20) ? { acls: true } : {}),
      },
      ...(random.chance(20) ? { fids: 3 + random.upTo(10) } : {}),
    }
    this.#length = 20 + random.upTo(100)
  }

  readonly next = (model: Model): Step | WorldStep | undefined => {
    if (this.#taken++ === this.#length) return undefined
    const random = this.#random
    if (random.chance(8)) return hostStep(random)
    if (random.chance(8)) return { later: random.pick(timers) }
    if (random.chance(1)) return { reset: random.chance(90) ? 'hello' : 'silent' }
    // Before a session hardly any request makes sense.
    if (!model.hasBegun && random.chance(80)) return { reset: 'hello' }
    if (random.chance(4)) this.#planned = this.#quarrel(model)
    const planned = this.#planned.shift()
    if (planned !== undefined) return planned
    const step = this.#request(model)
    if (random.chance(98)) return step
    return { raw: this.#mutated(bytesOf(step)).toString('hex'), room: roomOf(step) }
  }

  /** Locks of the same file that conflict. */
  #quarrel(model: Model): RequestStep[] {
    const random = this.#random
    const files = [...model.handles].filter(([, { isDirectory }]) => !isDirectory).slice(0, 3)
    if (files.length === 0) return []
    return Array.from({ length: files.length * 3 }, () => {
      const [fh, { nodeid }] = random.pick(files)
      const start = random.upTo(4)
      return this.#step('setlkw', nodeid, {
        fh,
        owner: { u64: `${random.upTo(2)}` },
        start: { u64: `${start}` },
        end: { u64: `${start + random.upTo(3)}` },
        type: random.pick([lock.RDLCK, lock.WRLCK, lock.WRLCK, lock.UNLCK]),
        pid: 1,
        flags: random.upTo(1),
      })
    })
  }

  #step(T: MessageName, nodeid: number, fields: JsonFields): RequestStep {
    const random = this.#random
    const unique = this.#nextUnique()
    if (T === 'setlkw') this.#waiting.push(unique)
    if (this.#waiting.length > 10) this.#waiting.shift()
    return {
      T,
      unique,
      nodeid,
      fields,
      ...(random.chance(30) ? { uid: random.pick([1, 1000, 65_534]) } : {}),
      ...(random.chance(5) ? { room: random.pick([16, 17, 40, 144, 300, 5000]) } : {}),
    }
  }

  #request(model: Model): RequestStep {
    const random = this.#random
    let name = random.weighted(messageWeights)
    // Usually nothing is open yet.
    if (!hasChance(name, model) && random.chance(80)) {
      name = random.pick(['lookup', 'open', 'opendir', 'create'])
    }
    const { nodeid, fields } = requestFor(name, model, random, this.#waiting)
    return this.#step(name, nodeid, fields)
  }

  /** Usually one that was not used. */
  #nextUnique(): number {
    const random = this.#random
    if (random.chance(3)) return random.pick([0, 1, 2, this.#unique, 2 ** 53 - 1])
    if (random.chance(3) && this.#waiting.length > 0) return random.pick(this.#waiting)
    return ++this.#unique
  }

  /** A request of a broken or malicious client. */
  #mutated(request: Buffer): Buffer {
    const random = this.#random
    const mutated = Buffer.from(request)
    const at = random.upTo(request.length - 1)
    switch (random.upTo(7)) {
      case 0:
        mutated[at] = (mutated[at] as number) ^ (1 << random.upTo(7))
        return mutated
      case 1:
        mutated[at] = random.pick([0, 1, 0x7f, 0x80, 0xff])
        return mutated
      case 2:
        // Cut off, with a len[4] that matches.
        return claiming(mutated.subarray(0, Math.max(at, IN_HEADER_BYTES)))
      case 3:
        // Longer than its fields, with a len[4] that matches.
        return claiming(Buffer.concat([mutated, random.bytes(1 + random.upTo(16))]))
      case 4:
        mutated.writeUInt32LE(random.pick([0, 39, 40, at, request.length + 1, 2 ** 31]), 0)
        return mutated
      case 5:
        mutated.writeUInt32LE(random.pick([random.upTo(60), 4096, 2 ** 32 - 1]), 4)
        return mutated
      case 6: {
        // Extensions: some that are there, and some that are not.
        const words = random.upTo(3)
        const longer = claiming(Buffer.concat([mutated, Buffer.alloc(8 * words)]))
        longer.writeUInt16LE(random.chance(70) ? words : random.pick([1, 4, 0xffff]), 36)
        return longer
      }
      default:
        mutated.writeBigUInt64LE(
          random.pick([0n, BigInt(ROOT_ID), 2n ** 53n + 1n, 2n ** 64n - 1n]),
          random.chance(50) || request.length < IN_HEADER_BYTES + 8 ? 16 : IN_HEADER_BYTES,
        )
        return mutated
    }
  }
}

function claiming(bytes: Buffer): Buffer {
  const its = Buffer.from(bytes)
  its.writeUInt32LE(its.length, 0)
  return its
}
