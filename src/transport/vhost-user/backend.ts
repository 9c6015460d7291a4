import { ErrnoError } from '../../sys/errno.ts'
import { discard } from '../../sys/files.ts'
import type { SessionLimits } from '../../9p/session-limits.ts'
import type { Exports } from '../../tree/tree.ts'
import type { Loop, Watched } from '../../server/loop.ts'
import { reasonFor } from '../reason.ts'
import { configSpace } from './p9-device.ts'
import { GuestMemory, type MemoryRegion, REGIONS_MAX } from './guest-memory.ts'
import { Kick } from './kick.ts'
import { FrontendError, type FrontendMessage, MessageChannel } from './message.ts'
import { RequestQueue } from './queue.ts'
import {
  type RequestName,
  deviceFeatures,
  feature,
  protocolFeatures,
  requestName,
} from './requests.ts'
import { Vring } from './vring.ts'

/** What SET_VRING_KICK and its kin say besides the ring's index: there is no descriptor. */
const NO_DESCRIPTOR = 1n << 8n

/** What a backend is made with. */
export interface BackendOptions {
  readonly exports: Exports
  readonly limits: SessionLimits
  /** How the guest calls the device: its mount tag. */
  readonly tag: string
  readonly log: (line: string) => void
  /** Called once when the frontend is gone; the owner then removes the backend from the loop. */
  readonly onEnd: (backend: Backend, reason: string) => void
}

/**
 * One 9P device of a virtual machine, as its VMM sets it up: the backend's side of vhost-user
 * (QEMU's docs/interop/vhost-user.rst). The frontend is trusted as the user is who runs it; what the
 * guest's driver writes into the rings is not.
 */
export class Backend implements Watched {
  readonly fd: number
  readonly waitsFor = 'read'
  readonly #channel: MessageChannel
  readonly #loop: Loop
  readonly #log: (line: string) => void
  readonly #onEnd: BackendOptions['onEnd']
  readonly #config: Buffer
  readonly #vring = new Vring()
  readonly #queue: RequestQueue
  #isRunning = false
  #kick: Kick | undefined
  #memory: GuestMemory | undefined
  #features = 0n

  /** @param fd a connected unix socket, which the backend owns from now on. */
  constructor(fd: number, loop: Loop, { exports, limits, tag, log, onEnd }: BackendOptions) {
    this.fd = fd
    this.#channel = new MessageChannel(fd)
    this.#loop = loop
    this.#log = log
    this.#onEnd = onEnd
    this.#config = configSpace(tag)
    this.#queue = new RequestQueue(exports, limits, log, () => this.#vring.signal())
  }

  ready(): void {
    try {
      for (;;) {
        const message = this.#channel.next()
        if (message === undefined) return
        if (message === 'end') {
          this.#onEnd(this, 'closed by the frontend')
          return
        }
        this.#take(message)
      }
    } catch (error) {
      this.#onEnd(this, reasonFor(error))
    }
  }

  close(): void {
    try {
      this.#removeKick()
      this.#queue.close()
    } finally {
      this.#memory?.close()
      this.#vring.close()
      this.#channel.close()
    }
  }

  /** Does what a message asks for, and says how it came out where the frontend wants to hear it. */
  #take(message: FrontendMessage): void {
    const { request, needsReply, descriptors } = message
    const name = requestName(request)
    const taken: number[] = []
    try {
      if (name === undefined) throw new FrontendError(`request ${request}, which is not known here`)
      const answers = this.#do(name, message, (index) => {
        const fd = descriptors[index]
        if (fd === undefined) throw new FrontendError(`${name} without its descriptor`)
        taken.push(fd)
        return fd
      })
      if (needsReply && !answers) this.#answer(request, 0n)
    } catch (error) {
      if (!(error instanceof ErrnoError) || !needsReply) throw error
      this.#log(`${name} failed: ${reasonFor(error)}`)
      this.#answer(request, 1n)
    } finally {
      for (const fd of descriptors) if (!taken.includes(fd)) discard(fd)
    }
  }

  /** A number: what was asked for, or how a request came out. @returns that it is answered. */
  #answer(request: number, value: bigint): true {
    this.#channel.reply(request, (to) => {
      to.setBigUint64(0, value, true)
      return 8
    })
    return true
  }

  /**
   * @param descriptor hands over the message's descriptor of that index.
   * @returns whether the request was answered already.
   */
  #do(
    name: RequestName,
    { request, payload, descriptors }: FrontendMessage,
    descriptor: (index: number) => number,
  ): boolean {
    const u32 = (at: number): number => field(name, payload, at, 4).getUint32(at, true)
    const u64 = (at: number): bigint => field(name, payload, at, 8).getBigUint64(at, true)
    switch (name) {
      case 'GET_FEATURES':
        return this.#answer(request, deviceFeatures)
      case 'GET_PROTOCOL_FEATURES':
        return this.#answer(request, protocolFeatures)
      case 'GET_QUEUE_NUM':
        return this.#answer(request, 1n)
      case 'SET_FEATURES':
        this.#setFeatures(u64(0))
        return false
      case 'SET_PROTOCOL_FEATURES':
      case 'SET_OWNER':
      case 'RESET_OWNER':
      case 'SET_VRING_ERR':
        return false
      case 'SET_MEM_TABLE':
        this.#setMemory(u32(0), descriptors.length, u64, descriptor)
        return false
      case 'SET_VRING_NUM':
        checkIndex(u32(0))
        this.#vring.size = u32(4)
        return false
      case 'SET_VRING_ADDR':
        checkIndex(u32(0))
        this.#vring.addresses = {
          descriptors: address(u64(8)),
          used: address(u64(16)),
          available: address(u64(24)),
        }
        return false
      case 'SET_VRING_BASE':
        checkIndex(u32(0))
        this.#vring.next = u32(4) & 0xffff
        return false
      case 'GET_VRING_BASE': {
        checkIndex(u32(0))
        this.#stop()
        this.#queue.reset()
        this.#removeKick()
        this.#vring.setCall(-1)
        this.#channel.reply(request, (to) => {
          to.setUint32(0, 0, true)
          to.setUint32(4, this.#vring.next, true)
          return 8
        })
        return true
      }
      case 'SET_VRING_KICK':
        if (isWithout(u64(0))) {
          throw new FrontendError('a ring without a descriptor to be woken by')
        }
        this.#setKick(descriptor(0))
        return false
      case 'SET_VRING_CALL':
        this.#vring.setCall(isWithout(u64(0)) ? -1 : descriptor(0))
        return false
      case 'SET_VRING_ENABLE':
        checkIndex(u32(0))
        this.#vring.isEnabled = u32(4) !== 0
        if (!this.#vring.isEnabled) this.#stop()
        this.#update()
        return false
      case 'GET_CONFIG':
        return this.#answerConfig(request, u32(0), u32(4))
      case 'SET_CONFIG':
        // The mount tag is the host's to choose.
        return false
    }
  }

  #setFeatures(features: bigint): void {
    if ((features & ~deviceFeatures) !== 0n) {
      throw new FrontendError(`features 0x${features.toString(16)}, some of which were not offered`)
    }
    this.#features = features
    // vhost-user.rst, "Ring states".
    if ((features & feature.PROTOCOL_FEATURES) === 0n) this.#vring.isEnabled = true
  }

  #setMemory(
    count: number,
    available: number,
    u64: (at: number) => bigint,
    descriptor: (index: number) => number,
  ): void {
    if (count > available) throw new FrontendError('SET_MEM_TABLE without its descriptors')
    if (count > REGIONS_MAX) {
      throw new FrontendError(`${count} memory regions, where ${REGIONS_MAX} are the most`)
    }
    const regions: MemoryRegion[] = []
    for (let i = 0; i < count; i++) {
      const at = 8 + i * 32
      const [guestAddress, size, userAddress, offset] = [0, 8, 16, 24].map((part) =>
        address(u64(at + part)),
      ) as [number, number, number, number]
      regions.push({ guestAddress, size, userAddress, offset })
    }
    const memory = new GuestMemory(
      regions,
      regions.map((_, i) => descriptor(i)),
    )
    // The ring and what is under way lie in the old one.
    this.#stop()
    this.#memory?.close()
    this.#memory = memory
    this.#update()
  }

  #setKick(fd: number): void {
    this.#removeKick()
    this.#kick = new Kick(fd, this.#queue)
    this.#loop.add(this.#kick)
    this.#update()
  }

  #removeKick(): void {
    if (this.#kick !== undefined) this.#loop.remove(this.#kick)
    this.#kick = undefined
  }

  /** Serves the ring as soon as all is known that it takes. */
  #update(): void {
    const { size, addresses, next, isEnabled } = this.#vring
    const memory = this.#memory
    if (this.#isRunning || !isEnabled || this.#kick === undefined) return
    if (memory === undefined || addresses === undefined) return
    this.#queue.start({
      memory,
      addresses: { size, ...addresses },
      next,
      eventIndex: (this.#features & feature.EVENT_IDX) !== 0n,
      indirect: (this.#features & feature.INDIRECT_DESC) !== 0n,
    })
    this.#isRunning = true
  }

  #stop(): void {
    if (!this.#isRunning) return
    this.#isRunning = false
    // A device that has stopped by itself goes on nowhere.
    this.#vring.next = this.#queue.stop() ?? this.#vring.next
  }

  #answerConfig(request: number, offset: number, size: number): boolean {
    this.#channel.reply(request, (to) => {
      // vhost-user.rst: a failure is an answer without a payload.
      if (offset + size > this.#config.length) return 0
      to.setUint32(0, offset, true)
      to.setUint32(4, size, true)
      to.setUint32(8, 0, true)
      for (let i = 0; i < size; i++) to.setUint8(12 + i, this.#config[offset + i] as number)
      return 12 + size
    })
    return true
  }
}

/** The payload, which must have `bytes` more at `at`. */
function field(name: RequestName, payload: DataView, at: number, bytes: number): DataView {
  if (at + bytes > payload.byteLength) {
    throw new FrontendError(`${name} with ${payload.byteLength} bytes, which are too few`)
  }
  return payload
}

/** There is one queue. */
function checkIndex(index: number): void {
  if (index !== 0) throw new FrontendError(`queue ${index}, where there is only queue 0`)
}

/** Whether the u64 of SET_VRING_KICK and its kin says that no descriptor comes along. */
function isWithout(value: bigint): boolean {
  checkIndex(Number(value & 0xffn))
  return (value & NO_DESCRIPTOR) !== 0n
}

function address(value: bigint): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw new FrontendError(`the address 0x${value.toString(16)}`)
  }
  return Number(value)
}
