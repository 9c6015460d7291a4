import { openSync } from 'node:fs'
import { limits, type MessageName, type R, type T } from '../../../src/9p/index.ts'
import { defaultLimits } from '../../../src/session/session-limits.ts'
import { GuestMemory } from '../../../src/transport/vhost-user/guest-memory.ts'
import { P9Device } from '../../../src/transport/vhost-user/p9-device.ts'
import type { Queue } from '../../../src/transport/vhost-user/queue.ts'
import { Queues } from '../../../src/transport/vhost-user/queues.ts'
import type { Exports } from '../../../src/tree/tree.ts'
import { requestFrame } from '../frames.ts'
import { fieldsOf } from '../session-probe.ts'
import { DriverQueue, type QueueOptions, type Used } from './driver-queue.ts'
import { GuestHeap } from './guest-heap.ts'
import { GuestRam } from './guest-ram.ts'
import { type Chain, type Layout, linux } from './layouts.ts'
import { usualQueue } from './virtual-device.ts'

/** An answer as the driver gets it: nothing but a tag of 0 where its chain came back unused. */
export interface Given extends Used {
  readonly frame: Buffer
}

const MSIZE = 65_536

/**
 * A device's queue and its driver, in one thread and without a VMM: nothing happens but what the test
 * does, so it sees in which order.
 */
export class QueueProbe implements Disposable {
  readonly ram = new GuestRam()
  readonly heap = new GuestHeap(this.ram)
  queue: Queue
  readonly log: string[] = []
  driver: DriverQueue
  /** How often the driver was woken. */
  signals = 0
  /** Thrown where the driver is to be woken, if set. */
  signalError: Error | undefined
  layout: Layout = linux
  readonly #device: P9Device
  #queues: Queues
  readonly #chains = new Map<number, Chain>()
  readonly #options: QueueOptions
  #memory: GuestMemory
  #tag = 0

  constructor(exports: Exports, options: Partial<QueueOptions> = {}) {
    this.#options = { ...usualQueue, ...options }
    this.driver = new DriverQueue(this.ram, this.heap, this.#options)
    this.#memory = this.#map()
    const log = (line: string): void => void this.log.push(line)
    this.#device = new P9Device({ exports, limits: defaultLimits, tag: 'tag', log })
    this.#queues = this.#newQueues()
    this.queue = this.#queues.all[0]!
    this.start()
  }

  /** A table of memory of its own, as SET_MEM_TABLE makes it. */
  #map(): GuestMemory {
    const files = this.ram.files.map((fd) => openSync(`/proc/self/fd/${fd}`, 'r+'))
    return new GuestMemory(this.ram.regions, files)
  }

  /** From now on another queue serves the rings, not started yet, whose session has no requests under way: as after a restore. */
  replaceQueue(): void {
    this.#device.session.deferred.cancelAll()
    this.#queues = this.#newQueues()
    this.queue = this.#queues.all[0]!
  }

  #newQueues(): Queues {
    const signal = (): void => {
      if (this.signalError !== undefined) throw this.signalError
      this.signals++
    }
    return new Queues(this.#device, signal, (line) => void this.log.push(line))
  }

  /** As when the machine starts, or goes on. */
  start(next = this.#options.start): void {
    const { driver, ram } = this
    const [descriptors, available, used] = [driver.descriptors, driver.available, driver.used].map(
      (address) => ram.userAddress(address),
    ) as [number, number, number]
    this.queue.start({
      memory: this.#memory,
      addresses: { size: driver.size, descriptors, available, used },
      next,
      eventIndex: this.#options.eventIndex,
      indirect: this.#options.indirect,
    })
  }

  /** As when the machine is paused, by which its memory goes. @returns where to go on. */
  stop(): number {
    const next = this.queue.stop()
    if (next === undefined) throw new Error('the queue was not running')
    this.#memory.close()
    this.#memory = this.#map()
    return next
  }

  /** Makes a request available. */
  send<M extends MessageName>(tag: number, name: M, fields: T<M>): number {
    return this.sendRaw(requestFrame(tag, name, fields))
  }

  sendRaw(frame: Buffer): number {
    const chain = this.layout(this.ram, this.heap, frame, MSIZE)
    const head = chain && this.driver.add(chain.parts)
    if (chain === undefined || head === undefined) throw new Error('the queue is full')
    this.#chains.set(head, chain)
    return head
  }

  /** What the device has given back, in its order. */
  take(): Given[] {
    const given: Given[] = []
    for (let used = this.driver.take(); used !== undefined; used = this.driver.take()) {
      const chain = this.#chains.get(used.head)
      if (chain === undefined) throw new Error(`no request came with chain ${used.head}`)
      this.#chains.delete(used.head)
      given.push({ ...used, frame: chain.answer(used.length) })
      chain.free()
    }
    return given
  }

  /** Sends a request that is answered at once. @throws ErrnoError for an Rlerror. */
  call<M extends MessageName>(name: M, fields: T<M>): R<M> {
    const tag = name === 'version' ? limits.NOTAG : 1000 + (this.#tag++ % 1000)
    this.send(tag, name, fields)
    this.queue.poll()
    const [given, ...more] = this.take()
    if (given === undefined || more.length > 0) throw new Error(`T${name} has no answer of its own`)
    const { frame } = given
    if (frame.readUInt16LE(5) !== tag) throw new Error(`T${name} was answered with another tag`)
    return fieldsOf(name, { type: frame[4]!, tag, frame })
  }

  /** Begins a session; the root becomes fid 0. */
  attach(): this {
    this.call('version', { msize: MSIZE, version: limits.VERSION })
    this.call('attach', { fid: 0, afid: limits.NOFID, uname: '', aname: '', uid: 0 })
    return this
  }

  open(fid: number, name: string): this {
    this.call('walk', { fid: 0, newfid: fid, names: [name] })
    this.call('lopen', { fid, flags: 0 })
    return this
  }

  [Symbol.dispose](): void {
    this.#queues.close()
    this.#memory.close()
    this.ram.close()
  }
}
