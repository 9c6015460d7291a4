import { discard } from '../../src/sys/files.ts'
import { createEventfd, drainEventfd, signalEventfd } from '../../src/sys/eventfd.ts'
import { POLLIN, PollSet } from '../../src/sys/poll.ts'
import { feature, protocolFeature } from '../../src/transport/vhost-user/requests.ts'
import { Frontend, memoryTable, u32s, u64 } from '../../test/support/vhost-user/frontend.ts'
import { FsDriver } from './driver.ts'

/** How long a reply may take before the driver gives up, in milliseconds. */
const PATIENCE_MS = 20_000

/** How long a CPU of a KVM guest polls before it sleeps, by default (halt_poll_ns on x86), in milliseconds. */
const HALT_POLL_MS = 0.2
const POLLS_PER_CLOCK = 16

/** The driver of a device that another process serves over vhost-user. */
export class VhostUserDriver extends FsDriver {
  readonly #frontend: Frontend
  readonly #kicks: readonly number[]
  readonly #calls: readonly number[]
  /** Tells when the device has given chains of the request queue back. */
  readonly #called = new PollSet()

  /** Connects to a server and mounts its file system. */
  constructor(socket: string) {
    super()
    this.#frontend = new Frontend(socket)
    this.#kicks = this.rings.map(() => createEventfd())
    this.#calls = this.rings.map(() => createEventfd())
    this.#called.add(this.#calls[1]!, POLLIN)
    try {
      this.#setUp()
      this.mount()
    } catch (error) {
      this[Symbol.dispose]()
      throw error
    }
  }

  /** As hw/virtio/vhost.c of QEMU. */
  #setUp(): void {
    const { VERSION_1, EVENT_IDX, INDIRECT_DESC, PROTOCOL_FEATURES } = feature
    const frontend = this.#frontend
    frontend.ask('GET_FEATURES')
    frontend.ask('GET_PROTOCOL_FEATURES')
    frontend.send('SET_PROTOCOL_FEATURES', u64(protocolFeature.MQ | protocolFeature.REPLY_ACK))
    frontend.send('SET_OWNER')
    frontend.send('SET_FEATURES', u64(VERSION_1 | EVENT_IDX | INDIRECT_DESC | PROTOCOL_FEATURES))
    const { regions, files } = this.ram
    if (frontend.acknowledged('SET_MEM_TABLE', memoryTable(regions), files) !== 0n) {
      throw new Error('the server did not take the memory')
    }
    for (const [index, { size, places }] of this.rings.entries()) {
      const { descriptors, used, available } = places
      const addresses = [descriptors, used, available].map((address) =>
        u64(this.ram.userAddress(address)),
      )
      frontend.send('SET_VRING_NUM', u32s(index, size))
      frontend.send('SET_VRING_BASE', u32s(index, 0))
      // No address for a log of the pages that the device writes to.
      frontend.send('SET_VRING_ADDR', Buffer.concat([u32s(index, 0), ...addresses, u64(0)]))
      frontend.send('SET_VRING_CALL', u64(index), [this.#calls[index]!])
      frontend.send('SET_VRING_KICK', u64(index), [this.#kicks[index]!])
      frontend.send('SET_VRING_ENABLE', u32s(index, 1))
    }
    frontend.settle()
  }

  /**
   * Waits as the CPU of a guest does: it asks for an interrupt, and sleeps when it has polled for some time (KVM's
   * halt_poll_ns).
   */
  wait(): void {
    if (this.ring.mustKick()) signalEventfd(this.#kicks[1]!)
    if (this.ring.listen()) return
    const end = performance.now() + HALT_POLL_MS
    while (performance.now() < end) {
      for (let polls = 0; polls < POLLS_PER_CLOCK; polls++) if (this.ring.hasAny) return
    }
    if (this.#called.wait(PATIENCE_MS) === 0) throw new Error('the server does not answer')
    drainEventfd(this.#calls[1]!)
  }

  [Symbol.dispose](): void {
    this.#frontend.close()
    for (const fd of [...this.#kicks, ...this.#calls]) discard(fd)
    this.ram.close()
  }
}
