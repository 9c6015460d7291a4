import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, vi } from 'vitest'
import { type DeviceKind, type GoodDriver, p9Kind } from './device-kinds.ts'
import { type DeviceServer, serveDevices } from './device-server.ts'
import { INDIRECT } from './driver-queue.ts'
import { u32s } from './frontend.ts'
import type { DeviceOptions, VirtualDevice } from './virtual-device.ts'

const MSIZE = 8192

/**
 * A driver that lies, on an engine that has other clients, who must not notice. Each test of a group has a device of its own;
 * they share the engine.
 */
export class Liar {
  readonly #kind: DeviceKind
  #folder = ''
  #server: DeviceServer | undefined
  /** Those that must not notice. */
  #others: readonly GoodDriver[] = []
  #otherDevice: VirtualDevice | undefined
  /** How many have connected. */
  #connections = 0
  #device: VirtualDevice | undefined
  #descriptors = 0

  /** To be called where a group of tests is described. */
  static onOneEngine(kind: DeviceKind): Liar {
    const liar = new Liar(kind)
    beforeAll(() => liar.#startEngine())
    beforeEach(() => {
      liar.#descriptors = liar.server.descriptors()
      liar.connect()
    })
    afterEach(async () => {
      liar.device.close()
      // Nothing is left of it, whatever it did.
      await vi.waitFor(() => assert.equal(liar.server.descriptors(), liar.#descriptors))
    })
    afterAll(() => liar.#closeEngine())
    return liar
  }

  private constructor(kind: DeviceKind) {
    this.#kind = kind
  }

  get server(): DeviceServer {
    return this.#server as DeviceServer
  }

  /** The device that is lied to. */
  get device(): VirtualDevice {
    return this.#device as VirtualDevice
  }

  async #startEngine(): Promise<void> {
    this.#folder = mkdtempSync(join(tmpdir(), 'lowerdir-test-'))
    const tree = join(this.#folder, 'tree')
    mkdirSync(tree)
    writeFileSync(join(tree, 'file'), 'hello')
    this.#server = await serveDevices(tree, {}, this.#folder, this.#kind)
    const overSocket = await this.server.client()
    await overSocket.call.walk({ fid: 0, newfid: 1, names: ['file'] })
    await overSocket.call.lopen({ fid: 1, flags: 0 })
    this.#otherDevice = this.server.device().start()
    this.#others = [
      {
        read: async () => {
          const { data } = await overSocket.call.read({ fid: 1, offset: 0, count: 100 })
          return data.memory.bytes.toString('latin1', data.offset, data.offset + data.length)
        },
        close: () => overSocket.close(),
      },
      await this.#kind.begin(this.#otherDevice),
    ]
    this.#connections = 2
  }

  async #closeEngine(): Promise<void> {
    for (const other of this.#others) other.close()
    this.#otherDevice?.close()
    await this.server.engine.close()
    rmSync(this.#folder, { recursive: true })
  }

  /** A device for this test. The one before has to be closed. */
  connect(options: Partial<DeviceOptions> = {}): void {
    this.#device = this.server.device(options)
    this.#connections++
  }

  /** The lines in the log about this device. */
  get said(): string[] {
    return this.server.said(this.#connections)
  }

  async expectOthersServed(): Promise<void> {
    for (const other of this.#others) assert.equal(await other.read(), 'hello')
  }

  /** The device has stopped, with one line and nothing else, and works again after a reset. */
  async expectStopped(reason: string): Promise<void> {
    const { device } = this
    const { queue } = device
    const line = `the device has stopped: ${reason}`
    await vi.waitFor(() => assert.deepEqual(this.said, [line]))
    await this.expectOthersServed()

    // Whatever else there is in the queue is not looked at.
    const before = queue.usedWords[1]
    this.offerHello()
    device.kick()
    // Also not where only the memory is told anew, or the ring is switched off and on.
    device.sendMemory()
    for (const isEnabled of [0, 1]) device.frontend.send('SET_VRING_ENABLE', u32s(0, isEnabled))
    device.kick()
    device.frontend.settle()
    await this.expectOthersServed()
    assert.equal(queue.usedWords[1], before)
    assert.deepEqual(this.said, [line])

    device.reset()
    await this.expectServed()
    assert.deepEqual(this.said, [line])
  }

  /** The device serves a session. */
  async expectServed(): Promise<void> {
    const driver = await this.#kind.begin(this.device)
    assert.equal(await driver.read(), 'hello')
    driver.close()
  }

  /** A request that makes sense, at a place of its own. */
  request(): number {
    return this.place(this.#kind.hello)
  }

  get requestBytes(): number {
    return this.#kind.hello.length
  }

  /** Puts bytes into the guest's memory. @returns where. */
  place(bytes: Uint8Array): number {
    const { heap, ram } = this.device
    const address = heap.need(bytes.length)
    ram.bytes(address, bytes.length).set(bytes)
    return address
  }

  offerHello(): void {
    this.device.queue.add([
      { address: this.request(), length: this.requestBytes, isWritable: false },
      { address: this.device.heap.need(100), length: 100, isWritable: true },
    ])
  }

  /** Writes a descriptor into the queue's table. */
  put(index: number, address: number | bigint, length: number, flags: number, next = 0): void {
    const { queue } = this.device
    queue.describe(queue.descriptors, index, { address, length, flags, next })
  }

  /** Makes descriptor 0 an indirect table of `entries`: address, length, flags, next. */
  putTable(
    entries: readonly [number, number, number, number?][],
    bytes = entries.length * 16,
  ): void {
    const { queue, heap } = this.device
    const at = heap.need(Math.max(1, entries.length) * 16, 0)
    for (const [index, [address, length, flags, next = 0]] of entries.entries()) {
      queue.describe(at, index, { address, length, flags, next })
    }
    this.put(0, at, bytes, INDIRECT)
  }

  /** Tells a lie that begins with descriptor 0. */
  tell(lie: () => void): void {
    this.device.start()
    lie()
    this.device.queue.offer(0)
    this.device.kick()
  }

  /**
   * The same for a request of these bytes, after the session has begun.
   *
   * @param cuts where the request is cut into descriptors.
   * @param room how many bytes its answer may have.
   */
  async tellRequest(bytes: Buffer, cuts: readonly number[] = [], room = MSIZE): Promise<void> {
    const driver = await this.#kind.begin(this.device.start())
    driver.close()
    const parts = [0, ...cuts].map((from, i) => {
      const part = bytes.subarray(from, cuts[i])
      return { address: this.place(part), length: part.length, isWritable: false }
    })
    if (room > 0)
      parts.push({ address: this.device.heap.need(room), length: room, isWritable: true })
    this.device.queue.add(parts)
    this.device.kick()
  }
}

/** The same for a 9P device. */
export function liarToP9(): Liar {
  return Liar.onOneEngine(p9Kind)
}
