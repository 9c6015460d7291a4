import { join } from 'node:path'
import { raw } from '../../../src/sys/ffi.ts'
import { createEventfd, signalEventfd } from '../../../src/sys/eventfd.ts'
import { discard } from '../../../src/sys/files.ts'
import { accept, listenUnix } from '../../../src/sys/sockets.ts'
import { systemMemory } from '../../../src/sys/system-memory.ts'
import { endlessTurn, type EventLoop, type Watched } from '../../../src/transport/event-loop.ts'
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

/** An event loop in which nothing happens but in {@link Turns.turn}. */
class Turns implements EventLoop {
  readonly #watched = new Set<Watched>()

  add(watched: Watched): void {
    this.#watched.add(watched)
  }

  remove(watched: Watched): void {
    if (this.#watched.delete(watched)) watched.close()
  }

  changed(): void {}

  /** Serves descriptors until none is readable. */
  turn(): void {
    for (let more = true; more;) {
      more = false
      for (const watched of this.#watched) {
        if (!this.#watched.has(watched) || !isReadable(watched.fd, 0)) continue
        watched.ready(endlessTurn)
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

/** A device of two queues, its backend, and the virtual machine around it, all on one thread. */
export class TwoQueues implements Disposable {
  readonly ram = new GuestRam()
  readonly heap = new GuestHeap(this.ram)
  readonly log: string[] = []
  /** Why the backend has ended, once it has. */
  end: string | undefined
  readonly frontend: Frontend
  readonly queues: readonly MachineQueue[]
  readonly #loop = new Turns()
  readonly #answers = new Map<DriverQueue, Map<number, { address: number; length: number }>>()

  constructor(device: Device) {
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
    this.queues = [0, 1].map(() => ({
      driver: this.newDriver(),
      kickFd: createEventfd(),
      callFd: createEventfd(),
    }))
  }

  newDriver(): DriverQueue {
    return new DriverQueue(this.ram, this.heap, usualQueue)
  }

  turn(): void {
    this.#loop.turn()
  }

  /** Agrees to all features that `device` has, and tells of the guest's memory. */
  negotiate(features: bigint): this {
    const { frontend, ram } = this
    const { VERSION_1, PROTOCOL_FEATURES, EVENT_IDX, INDIRECT_DESC } = feature
    const all = features | VERSION_1 | PROTOCOL_FEATURES | EVENT_IDX | INDIRECT_DESC
    frontend.send('SET_FEATURES', u64(all))
    frontend.acknowledged('SET_MEM_TABLE', memoryTable(ram.regions), ram.files)
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

  /** Makes a request available that has room for `room` bytes of an answer, and lets the device have its turn. */
  send(index: number, text: string, room = 100): void {
    const { driver, kickFd } = this.#queue(index)
    const { heap, ram } = this
    const address = heap.need(text.length)
    ram.bytes(address, text.length).write(text)
    const parts = [{ address, length: text.length, isWritable: false }]
    const into = heap.need(room)
    if (room > 0) parts.push({ address: into, length: room, isWritable: true })
    const head = driver.add(parts)
    if (head === undefined) throw new Error('the queue is full')
    const answers = this.#answers.get(driver) ?? new Map()
    this.#answers.set(driver, answers.set(head, { address: into, length: room }))
    driver.listen()
    signalEventfd(kickFd)
    this.turn()
  }

  /** The answers that the device has given in the queue of this index since this was asked last. */
  answers(index: number): string[] {
    const { driver } = this.#queue(index)
    const texts: string[] = []
    for (let used = driver.take(); used !== undefined; used = driver.take()) {
      const { address } = this.#answers.get(driver)!.get(used.head)!
      texts.push(this.ram.bytes(address, used.length).toString())
    }
    return texts
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
