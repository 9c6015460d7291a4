import { ErrnoError } from '../../sys/errno.ts'
import { discard } from '../../sys/files.ts'
import type { EventLoop, Watched } from '../event-loop.ts'
import { ReceivedState, SentState, type Transfer } from './device-state.ts'
import type { Device } from './device.ts'
import { DirtyLog } from './dirty-log.ts'
import { GuestMemory, type MemoryRegion, type MemoryTrust, REGIONS_MAX } from './guest-memory.ts'
import { FrontendError, type FrontendMessage, MessageChannel } from './message.ts'
import type { SavedQueue } from './queue.ts'
import { Queues } from './queues.ts'
import {
  type RequestName,
  feature,
  protocolFeature,
  requestName,
  stateful,
  transportFeatures,
} from './requests.ts'
import { Vring } from './vring.ts'
import { messageOf } from '../../util/error.ts'

/**
 * A flag of SET_VRING_KICK and SET_VRING_CALL beside the ring's index: no descriptor comes with the message.
 */
const NO_DESCRIPTOR = 1n << 8n

/** What the front end keeps of a device that is saved. */
interface SavedDevice {
  readonly device: unknown
  readonly queues: readonly SavedQueue[]
}

/** What a backend reports to its owner. */
export interface BackendEvents {
  /** Gets one line for each violation of a protocol. */
  readonly log: (line: string) => void
  /**
   * Is called once when the front end has disconnected. The owner then removes the backend from the event
   * loop.
   */
  readonly onEnd: (backend: Backend, reason: string) => void
}

/**
 * The backend's side of vhost-user: a {@link Device} of a virtual machine. The front end is the machine's
 * VMM, and sets the device up (QEMU's docs/interop/vhost-user.rst). It is trusted like the user who runs it.
 * What the guest's driver writes into the rings is not trusted.
 */
export class Backend implements Watched {
  readonly fd: number
  readonly waitsFor = 'read'
  /** Whether the front end has sent anything. */
  hasSpoken = false
  readonly #channel: MessageChannel
  readonly #device: Device
  readonly #events: BackendEvents
  readonly #queues: Queues
  readonly #rings: readonly Vring[]
  readonly #offered: bigint
  readonly #trust: MemoryTrust
  readonly #loop: EventLoop
  #memory: GuestMemory | undefined
  /** Which pages were written, if the front end wants to know. */
  #dirty: DirtyLog | undefined
  /** The device's state, on its way to or from the front end. */
  #transfer: Transfer | undefined
  /** The features that the driver has accepted. */
  #features = 0n

  /**
   * @param fd a connected unix socket. The backend owns it from now on.
   * @param trust which files the front end may share as the guest's memory.
   */
  constructor(
    fd: number,
    loop: EventLoop,
    device: Device,
    events: BackendEvents,
    trust: MemoryTrust = 'sealed',
  ) {
    this.fd = fd
    this.#trust = trust
    this.#channel = new MessageChannel(fd)
    this.#device = device
    this.#events = events
    this.#loop = loop
    this.#offered =
      device.features | transportFeatures | (device.state === undefined ? 0n : feature.LOG_ALL)
    this.#queues = new Queues(
      device,
      (index) => this.#rings[index]?.notify(),
      events.log,
      () => {
        if ((this.#features & feature.LOG_ALL) !== 0n) this.#dirty?.markAll()
      },
    )
    this.#rings = this.#queues.all.map((queue) => new Vring(queue, this.#queues, loop))
  }

  ready(): void {
    try {
      for (;;) {
        const message = this.#channel.next()
        if (message === undefined) return
        if (message === 'end') {
          this.#events.onEnd(this, 'closed by the frontend')
          return
        }
        this.hasSpoken = true
        this.#take(message)
      }
    } catch (error) {
      // Not thrown on: only this front end's connection has failed, and the others of this process are served
      // on.
      this.#events.onEnd(this, messageOf(error))
    }
  }

  close(): void {
    try {
      this.#queues.close()
    } finally {
      for (const ring of this.#rings) ring.close()
      this.#memory?.close()
      this.#dirty?.close()
      // The loop owns the descriptor of a transfer that is not finished.
      if (this.#transfer !== undefined) this.#loop.remove(this.#transfer)
      this.#channel.close()
    }
  }

  /** Carries out a message, and acknowledges it if the front end asks for that. */
  #take(message: FrontendMessage): void {
    const { request, needsReply, descriptors } = message
    const name = this.#nameOf(request)
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
      this.#events.log(`${name} failed: ${messageOf(error)}`)
      this.#answer(request, 1n)
    } finally {
      for (const fd of descriptors) if (!taken.includes(fd)) discard(fd)
    }
  }

  /** Answers with a number: a value, or 0 for success and 1 for failure. @returns true, "answered". */
  #answer(request: number, value: bigint): true {
    this.#channel.reply(request, (to) => {
      to.setBigUint64(0, value, true)
      return 8
    })
    return true
  }

  /**
   * @param descriptor takes the message's descriptor of that index over.
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
        return this.#answer(request, this.#offered)
      case 'GET_PROTOCOL_FEATURES':
        return this.#answer(request, this.#protocolFeatures)
      case 'GET_QUEUE_NUM':
        return this.#answer(request, BigInt(this.#rings.length))
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
        this.#ring(u32(0)).size = u32(4)
        return false
      case 'SET_VRING_ADDR':
        this.#ring(u32(0)).addresses = {
          descriptors: address(u64(8)),
          used: address(u64(16)),
          available: address(u64(24)),
        }
        return false
      case 'SET_VRING_BASE':
        this.#ring(u32(0)).next = u32(4) & 0xffff
        return false
      case 'GET_VRING_BASE':
        return this.#takeBack(request, u32(0))
      case 'SET_VRING_KICK': {
        const { ring, hasDescriptor } = this.#ringOf(u64(0))
        if (!hasDescriptor) throw new FrontendError('a ring without a descriptor to be woken by')
        ring.setKick(descriptor(0))
        this.#update(ring)
        return false
      }
      case 'SET_VRING_CALL': {
        const { ring, hasDescriptor } = this.#ringOf(u64(0))
        ring.setCall(hasDescriptor ? descriptor(0) : -1)
        return false
      }
      case 'SET_VRING_ENABLE': {
        const ring = this.#ring(u32(0))
        ring.isEnabled = u32(4) !== 0
        if (ring.isEnabled) this.#update(ring)
        else ring.stop()
        return false
      }
      case 'GET_CONFIG':
        return this.#answerConfig(request, u32(0), u32(4))
      case 'SET_LOG_BASE':
        this.#dirty?.close()
        this.#dirty = undefined
        this.#dirty = new DirtyLog(descriptor(0), address(u64(8)), address(u64(0)), this.#trust)
        return this.#answer(request, 0n)
      case 'SET_LOG_FD':
        // An eventfd that QEMU never reads.
        return false
      case 'SET_DEVICE_STATE_FD':
        if (u32(0) > 1 || u32(4) !== 0) throw new FrontendError('an unknown transfer of a state')
        return this.#transferState(request, u32(0), () => descriptor(0))
      case 'CHECK_DEVICE_STATE':
        return this.#finishTransfer(request)
      case 'SET_CONFIG':
        // The server decides about the content, not the driver.
        return false
    }
  }

  get #protocolFeatures(): bigint {
    const { MQ, REPLY_ACK, CONFIG, LOG_SHMFD, DEVICE_STATE } = protocolFeature
    const isSavable = this.#device.state !== undefined
    return (
      MQ |
      REPLY_ACK |
      (this.#device.config.length > 0 ? CONFIG : 0n) |
      (isSavable ? LOG_SHMFD | DEVICE_STATE : 0n)
    )
  }

  #setFeatures(features: bigint): void {
    if ((features & ~this.#offered) !== 0n) {
      throw new FrontendError(`features 0x${features.toString(16)}, some of which were not offered`)
    }
    this.#features = features
    // Without this feature, rings need no SET_VRING_ENABLE (vhost-user.rst, "Ring states").
    if ((features & feature.PROTOCOL_FEATURES) !== 0n) return
    for (const ring of this.#rings) ring.isEnabled = true
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
      this.#trust,
    )
    // The rings and the requests under way lie in the old memory.
    for (const ring of this.#rings) ring.stop()
    this.#memory?.close()
    this.#memory = memory
    for (const ring of this.#rings) this.#update(ring)
  }

  /** @throws FrontendError for an index that no queue has. */
  #ring(index: number): Vring {
    const ring = this.#rings[index]
    if (ring === undefined) {
      const last = this.#rings.length - 1
      const there = last === 0 ? 'where there is only queue 0' : `where the last is queue ${last}`
      throw new FrontendError(`queue ${index}, ${there}`)
    }
    return ring
  }

  /** The fields of the u64 of SET_VRING_KICK and SET_VRING_CALL. */
  #ringOf(value: bigint): { readonly ring: Vring; readonly hasDescriptor: boolean } {
    return {
      ring: this.#ring(Number(value & 0xffn)),
      hasDescriptor: (value & NO_DESCRIPTOR) === 0n,
    }
  }

  #update(ring: Vring): void {
    ring.update(this.#memory, this.#features)
  }

  /** GET_VRING_BASE: the ring stops, and the front end gets the index at which it would go on. */
  #takeBack(request: number, index: number): true {
    const ring = this.#ring(index)
    ring.close()
    this.#queues.takenBack(ring.queue)
    this.#channel.reply(request, (to) => {
      to.setUint32(0, index, true)
      to.setUint32(4, ring.next, true)
      return 8
    })
    return true
  }

  /**
   * SET_DEVICE_STATE_FD: begins to send the device's state, or to receive it. All rings are stopped then.
   *
   * @param direction 0 to send, 1 to receive.
   */
  #transferState(request: number, direction: number, descriptor: () => number): true {
    if (this.#transfer !== undefined) this.#loop.remove(this.#transfer)
    this.#transfer = undefined
    const { state } = this.#device
    if (direction === 1) this.#transfer = new ReceivedState(descriptor(), this.#loop)
    else {
      const saved: SavedDevice = {
        device: state?.save(),
        queues: this.#queues.all.map((queue) => queue.save()),
      }
      this.#transfer = new SentState(descriptor(), Buffer.from(JSON.stringify(saved)), this.#loop)
    }
    return this.#answer(request, NO_DESCRIPTOR)
  }

  /** The name of a request that was offered, see {@link RequestName}. */
  #nameOf(request: number): RequestName | undefined {
    const name = requestName(request)
    const takesState = name !== undefined && stateful.has(name)
    return takesState && this.#device.state === undefined ? undefined : name
  }

  /** CHECK_DEVICE_STATE: 0 if all of the state was sent, or received and taken. */
  #finishTransfer(request: number): true {
    const transfer = this.#transfer
    this.#transfer = undefined
    try {
      const received = transfer?.finish()
      if (received !== undefined) this.#load(received)
    } catch (error) {
      if (!(error instanceof Error)) throw error
      this.#events.log(`the device's state could not be transferred: ${error.message}`)
      return this.#answer(request, 1n)
    }
    return this.#answer(request, transfer === undefined ? 1n : 0n)
  }

  /** @throws Error for a state that is none. The front end may have kept it for long. */
  #load(bytes: Buffer): void {
    const { device, queues } = Object(JSON.parse(bytes.toString())) as Partial<SavedDevice>
    this.#device.state?.load(device)
    for (const [index, queue] of this.#queues.all.entries()) {
      const waiting: readonly unknown[] = queues?.[index]?.waiting ?? []
      queue.restore({
        waiting: waiting.map(Number).filter((head) => Number.isInteger(head) && head >= 0),
      })
    }
  }

  #answerConfig(request: number, offset: number, size: number): true {
    const { config } = this.#device
    this.#channel.reply(request, (to) => {
      // An answer without a payload means failure (vhost-user.rst).
      if (offset + size > config.length) return 0
      to.setUint32(0, offset, true)
      to.setUint32(4, size, true)
      to.setUint32(8, 0, true)
      for (let i = 0; i < size; i++) to.setUint8(12 + i, config[offset + i] as number)
      return 12 + size
    })
    return true
  }
}

/** The payload. @throws FrontendError if it does not have `bytes` bytes at `at`. */
function field(name: RequestName, payload: DataView, at: number, bytes: number): DataView {
  if (at + bytes > payload.byteLength) {
    throw new FrontendError(`${name} with ${payload.byteLength} bytes, which are too few`)
  }
  return payload
}

function address(value: bigint): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw new FrontendError(`the address 0x${value.toString(16)}`)
  }
  return Number(value)
}
