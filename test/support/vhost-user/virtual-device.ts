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
  readonly regions?: readonly RegionPlace[]
  /** Whether its memory can be sealed, as QEMU's can. */
  readonly seals?: 'allowed' | 'none'
}

/** A queue as Linux has it in QEMU. */
export const usualQueue: QueueOptions = { size: 128, eventIndex: true, indirect: true, start: 0 }

/**
 * A 9P device of a virtual machine, as QEMU sets it up (hw/virtio/vhost.c and vhost-user-base.c): a
 * frontend, the guest's memory, and the driver's queue in it.
 */
export class VirtualDevice implements Disposable {
  readonly frontend: Frontend
  readonly ram: GuestRam
  readonly heap: GuestHeap
  queue: DriverQueue
  /** By which the driver notifies the device, and the other way round. */
  readonly kickFd = createEventfd()
  readonly callFd = createEventfd()
  #options: QueueOptions

  constructor(path: string, options: Partial<DeviceOptions> = {}) {
    this.#options = { ...usualQueue, ...options }
    this.ram = new GuestRam(options.regions, options.seals)
    this.heap = new GuestHeap(this.ram)
    this.queue = new DriverQueue(this.ram, this.heap, this.#options)
    this.frontend = new Frontend(path)
    try {
      this.#negotiate()
    } catch (error) {
      this.close()
      throw error
    }
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
    this.frontend.send('SET_VRING_ENABLE', u32s(0, 1))
    this.frontend.settle()
    return this
  }

  /** All of {@link start} but the last step. */
  configure(base = this.#options.start): void {
    const { frontend, queue } = this
    frontend.send('SET_FEATURES', u64(this.features))
    this.sendMemory()
    frontend.send('SET_VRING_NUM', u32s(0, queue.size))
    frontend.send('SET_VRING_BASE', u32s(0, base))
    const [descriptors, used, available] = [queue.descriptors, queue.used, queue.available].map(
      (address) => this.ram.userAddress(address),
    ) as [number, number, number]
    frontend.send('SET_VRING_ADDR', vringAddress(descriptors, used, available))
    frontend.send('SET_VRING_KICK', u64(0), [this.kickFd])
    frontend.send('SET_VRING_CALL', u64(0), [this.callFd])
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
    const always = MOUNT_TAG | VERSION_1 | PROTOCOL_FEATURES
    return always | (eventIndex ? EVENT_IDX : 0n) | (indirect ? INDIRECT_DESC : 0n)
  }

  /** As when the machine is paused, or its driver reset. @returns where the device would go on. */
  stop(): number {
    this.frontend.send('SET_VRING_ENABLE', u32s(0, 0))
    return this.frontend.ask('GET_VRING_BASE', u32s(0, 0)).readUInt32LE(4)
  }

  /** As when a machine starts anew: another driver, another queue, and nothing of what was. */
  reset(options: Partial<QueueOptions> = {}): this {
    this.stop()
    this.#options = { ...this.#options, ...options }
    this.queue = new DriverQueue(this.ram, this.heap, this.#options)
    this.calls()
    return this.start()
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

  /** Whether the device wakes the driver within the time. */
  isCalled(milliseconds: number): boolean {
    return isReadable(this.callFd, milliseconds)
  }

  /** As when the VMM dies. */
  close(): void {
    this.frontend.close()
    discard(this.kickFd)
    discard(this.callFd)
    this.ram.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }
}
