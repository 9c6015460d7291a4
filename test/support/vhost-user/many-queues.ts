import { join } from 'node:path'
import { raw } from '../../../src/sys/ffi.ts'
import { createEventfd, signalEventfd } from '../../../src/sys/eventfd.ts'
import { discard } from '../../../src/sys/files.ts'
import { accept, listenUnix } from '../../../src/sys/sockets.ts'
import { systemMemory } from '../../../src/sys/system-memory.ts'
import {
  endlessTurn,
  type EventLoop,
  type Polled,
  type Turn,
  type Watched,
} from '../../../src/transport/event-loop.ts'
import { Backend } from '../../../src/transport/vhost-user/backend.ts'
import type { Device } from '../../../src/transport/vhost-user/device.ts'
import { feature } from '../../../src/transport/vhost-user/requests.ts'
import { temporaryDirectory } from '../temporary.ts'
import { DriverQueue } from './driver-queue.ts'
import {
  type Answer,
  Frontend,
  isReadable,
  memoryTable,
  u32s,
  u64,
  vringAddress,
} from './frontend.ts'
import { GuestHeap } from './guest-heap.ts'
import { GuestRam } from './guest-ram.ts'
import { usualQueue } from './virtual-device.ts'

const read = raw('long', 'read', 'int', 'pointer', 'size')
const counter = systemMemory(8)

/** One queue of a device as its machine has it. */
interface MachineQueue {
  driver: DriverQueue
  readonly kickFd: number
  readonly callFd: number
}

/** The memory of a request and of its answer. */
interface Sent {
  readonly into: number
  readonly taken: readonly number[]
}

/** An event loop in which something happens only when the test says so. */
export interface TestedLoop extends EventLoop {
  /** Serves what is ready. */
  turn(turn?: Turn): void
}

/** One that serves whatever is readable, in any order and without end. */
class Turns implements TestedLoop {
  readonly #watched = new Set<Watched>()

  add(watched: Watched): void {
    this.#watched.add(watched)
  }

  remove(watched: Watched): void {
    if (this.#watched.delete(watched)) watched.close()
  }

  changed(): void {}

  get polled(): Polled[] {
    return [...new Set([...this.#watched].flatMap(({ polled }) => polled ?? []))]
  }

  /** Serves descriptors until none is readable. */
  turn(turn = endlessTurn): void {
    for (let more = true; more;) {
      more = false
      for (const watched of this.#watched) {
        if (!this.#watched.has(watched) || !isReadable(watched.fd, 0)) continue
        watched.ready(turn)
        more = true
      }
    }
  }
}

/** A front end whose backend is on the same thread: it has its turn before each answer. */
class InlineFrontend extends Frontend {
  readonly #turn: () => void

  constructor(path: string, turn: () => void) {
    super(path)
    this.#turn = turn
  }

  override answer(): Answer | undefined {
    this.#turn()
    return super.answer()
  }
}

/** A device of some queues, its backend, and the virtual machine around it, all on one thread. */
export class ManyQueues implements Disposable {
  readonly ram = new GuestRam()
  readonly heap = new GuestHeap(this.ram)
  readonly log: string[] = []
  /** Why the backend has ended, once it has. */
  end: string | undefined
  readonly frontend: Frontend
  readonly queues: readonly MachineQueue[]
  readonly #loop: TestedLoop
  readonly #sent = new Map<DriverQueue, Map<number, Sent>>()

  /** @param count how many queues the machine sets up, from the first on. */
  constructor(device: Device, count = 2, loop: TestedLoop = new Turns()) {
    this.#loop = loop
    const path = join(temporaryDirectory(), 'device')
    const listener = listenUnix(path)
    this.frontend = new InlineFrontend(path, () => this.turn())
    const backend = new Backend(accept(listener), this.#loop, device, {
      log: (line) => this.log.push(line),
      onEnd: (ended, reason) => {
        this.end = reason
        this.#loop.remove(ended)
      },
    })
    discard(listener)
    this.#loop.add(backend)
    this.queues = Array.from({ length: count }, () => ({
      driver: this.newDriver(),
      kickFd: createEventfd(),
      callFd: createEventfd(),
    }))
  }

  newDriver(): DriverQueue {
    return new DriverQueue(this.ram, this.heap, usualQueue)
  }

  /** @param turn what is served of each descriptor that is readable. */
  turn(turn?: Turn): void {
    this.#loop.turn(turn)
  }

  /** What the loop would poll. */
  get polled(): readonly Polled[] {
    return this.#loop instanceof Turns ? this.#loop.polled : []
  }

  kick(index: number): void {
    signalEventfd(this.#queue(index).kickFd)
  }

  /** Agrees to all features that `device` has, and tells of the guest's memory. */
  negotiate(features: bigint): this {
    const { frontend } = this
    const { VERSION_1, PROTOCOL_FEATURES, EVENT_IDX, INDIRECT_DESC } = feature
    const all = features | VERSION_1 | PROTOCOL_FEATURES | EVENT_IDX | INDIRECT_DESC
    frontend.send('SET_FEATURES', u64(all))
    this.tellMemory()
    return this
  }

  /** Starts the queue of this index, from where `base` says. */
  start(index: number, base = 0): this {
    const { frontend, ram } = this
    const { driver, kickFd, callFd } = this.#queue(index)
    const [descriptors, used, available] = [driver.descriptors, driver.used, driver.available].map(
      (address) => ram.userAddress(address),
    ) as [number, number, number]
    const address = vringAddress(descriptors, used, available, index)
    frontend.send('SET_VRING_NUM', u32s(index, driver.size))
    frontend.send('SET_VRING_BASE', u32s(index, base))
    frontend.send('SET_VRING_ADDR', address)
    frontend.send('SET_VRING_KICK', u64(index), [kickFd])
    frontend.send('SET_VRING_CALL', u64(index), [callFd])
    frontend.send('SET_VRING_ENABLE', u32s(index, 1))
    frontend.settle()
    this.calls(index)
    return this
  }

  /** Takes the queue of this index back. @returns where it would go on. */
  stop(index: number): number {
    this.frontend.send('SET_VRING_ENABLE', u32s(index, 0))
    const [of, base] = new Uint32Array(
      Uint8Array.from(this.frontend.ask('GET_VRING_BASE', u32s(index, 0))).buffer,
    )
    if (of !== index) throw new Error(`GET_VRING_BASE of queue ${index} was answered for ${of}`)
    return base!
  }

  /**
   * Makes a request available that has room for `room` bytes of an answer, and lets the device have its turn.
   *
   * @param cuts where the request is cut into descriptors.
   * @returns the head of its chain.
   */
  send(
    index: number,
    request: string | Uint8Array,
    room = 100,
    cuts: readonly number[] = [],
  ): number {
    const { kickFd, driver } = this.#queue(index)
    const head = this.offer(index, request, room, cuts)
    driver.listen()
    signalEventfd(kickFd)
    this.turn()
    return head
  }

  /** The same, but for the device's turn. */
  offer(
    index: number,
    request: string | Uint8Array,
    room = 100,
    cuts: readonly number[] = [],
  ): number {
    const { driver } = this.#queue(index)
    const { heap, ram } = this
    const bytes = Buffer.from(request)
    const parts = [0, ...cuts].map((from, i) => {
      const part = bytes.subarray(from, cuts[i])
      const address = heap.need(part.length)
      ram.bytes(address, part.length).set(part)
      return { address, length: part.length, isWritable: false }
    })
    const into = heap.need(room)
    if (room > 0) parts.push({ address: into, length: room, isWritable: true })
    const head = driver.add(parts)
    if (head === undefined) throw new Error('the queue is full')
    const sent = this.#sent.get(driver) ?? new Map<number, Sent>()
    const taken = [...new Set([...parts.map(({ address }) => address), into])]
    this.#sent.set(driver, sent.set(head, { into, taken }))
    return head
  }

  /** The answers that the device has given in the queue of this index since this was asked last. */
  answers(index: number): string[] {
    return this.take(index).map((bytes) => bytes.toString())
  }

  /** The same as bytes. */
  take(index: number): Buffer[] {
    const { driver } = this.#queue(index)
    const sent = this.#sent.get(driver)
    const given: Buffer[] = []
    for (let used = driver.take(); used !== undefined; used = driver.take()) {
      const { into, taken } = sent!.get(used.head)!
      given.push(Buffer.from(this.ram.bytes(into, used.length)))
      for (const address of taken) this.heap.free(address)
    }
    return given
  }

  /** Tells of the guest's memory once more, as when some was added: rings that run stop and go on. */
  tellMemory(): void {
    const { frontend, ram } = this
    frontend.acknowledged('SET_MEM_TABLE', memoryTable(ram.regions), ram.files)
  }

  /** How often the device has notified the driver of this queue since this was asked last. */
  calls(index: number): number {
    const { callFd } = this.#queue(index)
    return read(callFd, counter.address, 8) === 8 ? Number(counter.view.getBigUint64(0, true)) : 0
  }

  #queue(index: number): MachineQueue {
    return this.queues[index]!
  }

  [Symbol.dispose](): void {
    this.frontend.close()
    this.turn()
    for (const { kickFd, callFd } of this.queues) for (const fd of [kickFd, callFd]) discard(fd)
    this.ram.close()
  }
}
