import { flags, limits, type MessageName } from '../../../src/9p/index.ts'
import { messageNames } from '../../support/arbitraries.ts'
import type { Model } from './model.ts'
import { Random } from '../random.ts'
import { hostPolicy, hostStep, timers } from '../host-steps.ts'
import type { JsonFields, WorldStep } from '../trace.ts'
import { frameOf, type RequestStep, type Setup, type Step } from './steps.ts'
import { fieldsFor, freeFids, hasChance } from './values.ts'

/** The weight of each request if it is not the usual 4. A new row of the table needs no entry. */
const weights: Readonly<Partial<Record<MessageName, number>>> = {
  walk: 24,
  lopen: 12,
  lcreate: 8,
  read: 8,
  readdir: 8,
  write: 8,
  clunk: 5,
  lock: 8,
  xattrwalk: 6,
  xattrcreate: 6,
  version: 1,
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
  #tag = 2
  /** The next step, whatever the last answer was. */
  #planned: Step[] = []

  constructor(seed: number) {
    this.#random = new Random(seed)
    const random = this.#random
    this.setup = {
      seed,
      policy: hostPolicy(random),
      msize: random.pick([4096, 8192, 131_072]),
    }
    this.#length = 20 + random.upTo(100)
  }

  readonly next = (model: Model): Step | WorldStep | undefined => {
    if (this.#taken++ === this.#length) return undefined
    const random = this.#random
    if (random.chance(8)) return hostStep(random)
    if (random.chance(8)) return { later: random.pick(timers) }
    if (random.chance(3)) return { resume: 'elsewhere' }
    if (random.chance(1)) return { reconnect: random.chance(90) ? 'hello' : 'silent' }
    // Before a session and a root, hardly any request makes sense.
    if (model.msize === 0 && random.chance(80)) return { reconnect: 'hello' }
    if (model.fids.size === 0 && random.chance(80)) return this.#attach()
    if (random.chance(4)) this.#planned = this.#quarrel(freeFids(model))
    const planned = this.#planned.shift()
    if (planned !== undefined) return planned
    const step = this.#request(model)
    return random.chance(98) ? step : { raw: this.#mutated(frameOf(step)).toString('hex') }
  }

  #attach(): RequestStep {
    const fields = { fid: 0, afid: limits.NOFID, uname: '', aname: '', uid: 0 }
    return { T: 'attach', tag: this.#nextTag(), fields }
  }

  /** Several open files of the same file, and locks that conflict. */
  #quarrel(free: readonly number[]): RequestStep[] {
    const random = this.#random
    const fids = free.slice(0, 3)
    const step = (T: MessageName, fields: JsonFields): RequestStep => {
      return { T, tag: this.#nextTag(), fields }
    }
    const opened = fids.flatMap((fid) => [
      step('walk', { fid: 0, newfid: fid, names: [random.pick(['file', 'twin', 'empty'])] }),
      step('lopen', { fid, flags: random.upTo(2) }),
    ])
    const locks = Array.from({ length: fids.length * 3 }, () =>
      step('lock', {
        fid: random.pick(fids),
        type: random.upTo(2),
        flags: flags.lock.BLOCK,
        start: { u64: `${random.upTo(4)}` },
        length: { u64: `${random.upTo(3)}` },
        procId: random.upTo(2),
        clientId: 'a',
      }),
    )
    return [...opened, ...locks]
  }

  #request(model: Model): RequestStep {
    let name = this.#random.weighted(messageWeights)
    // Usually no file is open yet.
    if (!hasChance(name, model) && this.#random.chance(80))
      name = this.#random.pick(['walk', 'lopen'])
    return { T: name, tag: this.#nextTag(), fields: fieldsFor(name, model, this.#random) }
  }

  /** Usually a free fid. */
  #nextTag(): number {
    const random = this.#random
    if (random.chance(5)) return random.pick([0, 1, 2, limits.NOTAG, this.#tag])
    this.#tag = (this.#tag + 1) % 1000
    return this.#tag
  }

  /** A frame of a broken or malicious client. */
  #mutated(frame: Buffer): Buffer {
    const random = this.#random
    const mutated = Buffer.from(frame)
    const at = random.upTo(frame.length - 1)
    switch (random.upTo(6)) {
      case 0:
        mutated[at] = (mutated[at] as number) ^ (1 << random.upTo(7))
        return mutated
      case 1:
        mutated[at] = random.pick([0, 1, 0x7f, 0x80, 0xff])
        return mutated
      case 2: {
        // Cut off, with a size[4] that matches.
        const cut = mutated.subarray(0, Math.max(at, limits.HEADER_BYTES))
        cut.writeUInt32LE(cut.length, 0)
        return cut
      }
      case 3: {
        // Longer than its fields, with a size[4] that matches.
        const longer = Buffer.concat([mutated, random.bytes(1 + random.upTo(8))])
        longer.writeUInt32LE(longer.length, 0)
        return longer
      }
      case 4:
        mutated.writeUInt32LE(
          random.pick([0, 6, 7, frame.length - 1, frame.length + 1, 2 ** 31]),
          0,
        )
        return mutated
      case 5:
        mutated[4] = random.upTo(255)
        return mutated
      default:
        // A length or a count within the frame.
        if (frame.length > 9)
          mutated.writeUInt16LE(
            random.pick([0, 17, 255, 0x7fff, 0xffff]),
            7 + random.upTo(frame.length - 9),
          )
        return mutated
    }
  }
}
