import { raw } from '../../../src/sys/ffi.ts'
import { createEventfd, signalEventfd } from '../../../src/sys/eventfd.ts'
import { discard } from '../../../src/sys/files.ts'
import { systemMemory } from '../../../src/sys/system-memory.ts'
import { MOUNT_TAG } from '../../../src/transport/vhost-user/p9-device.ts'
import { feature } from '../../../src/transport/vhost-user/requests.ts'
import { DriverQueue, type QueueOptions } from './driver-queue.ts'
import { Frontend, isReadable, memoryTable, u32s, u64, vringAddress } from './frontend.ts'
import { GuestHeap } from './guest-heap.ts'
import { GuestRam, type RegionPlace } from './guest-ram.ts'

const read = raw('long', 'read', 'int', 'pointer', 'size')
const counter = systemMemory(8)

export interface DeviceOptions extends QueueOptions {
  /** How many queues there are, all alike. Default: 1. */
  readonly queues?: number
  /** What the driver agrees to beside the features of rings. Default: those of a 9P device. */
  readonly features?: bigint
  readonly regions?: readonly RegionPlace[]
  /** Whether its memory can be sealed, as QEMU's can. */
  readonly seals?: 'allowed' | 'none'
}

/** A queue as Linux has it in QEMU. */
export const usualQueue: QueueOptions = { size: 128, eventIndex: true, indirect: true, start: 0 }

/** One queue of a device as its machine has it. It owns its descriptors. */
export class VirtualQueue {
  driver: DriverQueue
  /** By which the driver notifies the device, and the other way round. */
  readonly kickFd = createEventfd()
  readonly callFd = createEventfd()

  constructor(driver: DriverQueue) {
    this.driver = driver
  }

  kick(): void {
    signalEventfd(this.kickFd)
  }

  /** How often the device has woken the driver since this was asked last. */
  calls(): number {
    return read(this.callFd, counter.address, 8) === 8
      ? Number(counter.view.getBigUint64(0, true))
      : 0
  }

  close(): void {
    discard(this.kickFd)
    discard(this.callFd)
  }
}

/**
 * A device of a virtual machine, as QEMU sets it up (hw/virtio/vhost.c, vhost-user-base.c and vhost-user-fs.c): a
 * frontend, the guest's memory, and the driver's queues in it. A 9P device has one queue, which `queue`, `kick` and so on
 * are about.
 */
export class VirtualDevice implements Disposable {
  readonly frontend: Frontend
  readonly ram: GuestRam
  readonly heap: GuestHeap
  readonly queues: readonly VirtualQueue[]
  #options: Partial<DeviceOptions> & QueueOptions

  constructor(path: string, options: Partial<DeviceOptions> = {}) {
    this.#options = { ...usualQueue, ...options }
    this.ram = new GuestRam(options.regions, options.seals)
    this.heap = new GuestHeap(this.ram)
    this.queues = Array.from(
      { length: options.queues ?? 1 },
      () => new VirtualQueue(this.#newDriver()),
    )
    this.frontend = new Frontend(path)
    try {
      this.#negotiate()
    } catch (error) {
      this.close()
      throw error
    }
  }

  #newDriver(): DriverQueue {
    return new DriverQueue(this.ram, this.heap, this.#options)
  }

  get queue(): DriverQueue {
    return this.#first.driver
  }

  get kickFd(): number {
    return this.#first.kickFd
  }

  get callFd(): number {
    return this.#first.callFd
  }

  get #first(): VirtualQueue {
    return this.queues[0]!
  }

  #negotiate(): void {
    const { frontend } = this
    frontend.ask('GET_FEATURES')
    const protocol = frontend.ask('GET_PROTOCOL_FEATURES')
    frontend.send('SET_PROTOCOL_FEATURES', protocol)
    frontend.ask('GET_QUEUE_NUM')
    frontend.send('SET_OWNER')
    frontend.ask('GET_FEATURES')
  }

  /** As a driver starts the device, or a machine goes on that was paused. */
  start(base = this.#options.start): this {
    this.configure(base)
    for (const index of this.queues.keys()) {
      this.frontend.send('SET_VRING_ENABLE', u32s(index, 1))
    }
    this.frontend.settle()
    return this
  }

  /** All of {@link start} but the last step. */
  configure(base = this.#options.start): void {
    const { frontend } = this
    frontend.send('SET_FEATURES', u64(this.features))
    this.sendMemory()
    for (const [index, { driver, kickFd, callFd }] of this.queues.entries()) {
      frontend.send('SET_VRING_NUM', u32s(index, driver.size))
      frontend.send('SET_VRING_BASE', u32s(index, base))
      const [descriptors, used, available] = [
        driver.descriptors,
        driver.used,
        driver.available,
      ].map((address) => this.ram.userAddress(address)) as [number, number, number]
      frontend.send('SET_VRING_ADDR', vringAddress(descriptors, used, available, index))
      frontend.send('SET_VRING_KICK', u64(index), [kickFd])
      frontend.send('SET_VRING_CALL', u64(index), [callFd])
    }
  }

  sendMemory(regions = this.ram.regions): void {
    const outcome = this.frontend.acknowledged(
      'SET_MEM_TABLE',
      memoryTable(regions),
      regions.map((region) => this.ram.files[this.ram.regions.indexOf(region)]!),
    )
    if (outcome !== 0n) throw new Error(`the backend did not take the memory: ${outcome}`)
  }

  /** What the driver of this queue agrees to. */
  get features(): bigint {
    const { eventIndex, indirect } = this.#options
    const { VERSION_1, PROTOCOL_FEATURES, EVENT_IDX, INDIRECT_DESC } = feature
    const always = (this.#options.features ?? MOUNT_TAG) | VERSION_1 | PROTOCOL_FEATURES
    return always | (eventIndex ? EVENT_IDX : 0n) | (indirect ? INDIRECT_DESC : 0n)
  }

  /** As when the machine is paused, or its driver reset. @returns where the device would go on with the first queue. */
  stop(): number {
    const bases = [...this.queues.keys()].map((index) => {
      this.frontend.send('SET_VRING_ENABLE', u32s(index, 0))
      return this.frontend.ask('GET_VRING_BASE', u32s(index, 0)).readUInt32LE(4)
    })
    return bases[0]!
  }

  /** As when a machine starts anew: another driver, other queues, and nothing of what was. */
  reset(options: Partial<QueueOptions> = {}): this {
    this.stop()
    this.#options = { ...this.#options, ...options }
    for (const queue of this.queues) {
      queue.driver = this.#newDriver()
      queue.calls()
    }
    return this.start()
  }

  kick(): void {
    this.#first.kick()
  }

  /** How often the device has woken the driver since this was asked last. */
  calls(): number {
    return this.#first.calls()
  }

  /** Whether the device wakes the driver within the time. */
  isCalled(milliseconds: number): boolean {
    return isReadable(this.callFd, milliseconds)
  }

  /** As when the VMM dies. */
  close(): void {
    this.frontend.close()
    for (const queue of this.queues) queue.close()
    this.ram.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }
}
