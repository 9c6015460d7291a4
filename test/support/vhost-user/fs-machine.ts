import type { FusePolicy } from '../../../src/fuse/caching.ts'
import type { MessageName, R } from '../../../src/fuse/wire/messages.ts'
import { defaultLimits, type SessionLimits } from '../../../src/session/session-limits.ts'
import { ErrnoError } from '../../../src/sys/errno.ts'
import { FsDevice } from '../../../src/transport/vhost-user/fs-device.ts'
import type { Later } from '../../../src/tree/later.ts'
import type { Exports } from '../../../src/tree/tree.ts'
import { fieldsOf } from '../fuse/client.ts'
import {
  type Asked,
  linuxInit,
  requestBytes,
  roomFor,
  type Target,
  uniqueOf,
} from '../fuse/requests.ts'
import { ManyQueues, type TestedLoop } from './many-queues.ts'

export interface FsMachineOptions {
  readonly policy?: Partial<FusePolicy>
  readonly limits?: Partial<SessionLimits>
  /** How many queues, that of high priority among them. Default: 3. */
  readonly queues?: number
  /** Several machines may share one. */
  readonly loop?: TestedLoop
  /** The timers of its device. */
  readonly later?: Later
}

/** What the session is given where a test says nothing else. */
const usualPolicy: FusePolicy = { caching: 'mmap', remoteLocks: true }

/** A file system device and the machine around it, all on one thread. Queue 0 is the one of high priority. */
export class FsMachine implements Disposable {
  readonly device: FsDevice
  readonly machine: ManyQueues
  /** What the device logs. */
  readonly log: string[] = []
  readonly #queues: number
  #unique = 0

  constructor(
    exports: Exports,
    { policy, limits, queues = 3, loop, later }: FsMachineOptions = {},
  ) {
    this.#queues = queues
    this.device = new FsDevice({
      exports,
      policy: { ...usualPolicy, ...policy },
      limits: { ...defaultLimits, ...limits },
      log: (line) => this.log.push(line),
      ...(later === undefined ? {} : { later }),
    })
    this.machine = new ManyQueues(this.device, queues, loop)
    this.machine.negotiate(0n)
    this.start()
  }

  /** Starts all queues. @param bases where each goes on. */
  start(bases: readonly number[] = []): this {
    for (let index = 0; index < this.#queues; index++) {
      this.machine.start(index, bases[index] ?? 0)
    }
    return this
  }

  /** Stops all queues. @returns where each would go on. */
  stop(): number[] {
    return Array.from({ length: this.#queues }, (_, index) => this.machine.stop(index))
  }

  /** Another driver, with other rings. */
  restart(): this {
    this.stop()
    for (const queue of this.machine.queues) queue.driver = this.machine.newDriver()
    return this.start()
  }

  begin(): this {
    this.call('init', linuxInit)
    return this
  }

  /** A number that no request had. */
  unique(): number {
    return ++this.#unique
  }

  /** Sends a request in the queue of this index. @returns its unique number. */
  send<M extends MessageName>(
    index: number,
    name: M,
    asked: Asked<M> = {},
    target: Target = {},
    room = roomFor(name, asked),
  ): number {
    const unique = this.unique()
    this.machine.send(index, requestBytes(unique, name, asked, target), room)
    return unique
  }

  /** Sends a request in queue 1 that is answered at once. @throws ErrnoError for an errno. */
  call<M extends MessageName>(name: M, asked: Asked<M> = {}, target: Target = {}): R<M> {
    const unique = this.send(1, name, asked, target)
    const [reply, ...more] = this.machine.take(1)
    if (reply === undefined || more.length > 0) {
      throw new Error(`${name} has no answer of its own: ${this.said.join()}`)
    }
    if (uniqueOf(reply) !== unique) throw new Error(`${name} was answered with another number`)
    return fieldsOf(name, reply)
  }

  /** The same, for a request that is refused: the errno; 0 where it is not. */
  errnoOf<M extends MessageName>(name: M, asked: Asked<M> = {}, target: Target = {}): number {
    try {
      this.call(name, asked, target)
    } catch (error) {
      if (error instanceof ErrnoError) return error.errno
      throw error
    }
    return 0
  }

  /** The node of a path from the root on. */
  find(path: string): number {
    let nodeid = 1
    for (const name of path.split('/')) {
      nodeid = this.call('lookup', { name }, { nodeid }).entry.nodeid
    }
    return nodeid
  }

  /** Opens the file at this path for reading and writing. */
  open(path: string): { readonly nodeid: number; readonly fh: number } {
    const nodeid = this.find(path)
    const { fh } = this.call('open', { flags: 2 }, { nodeid })
    return { nodeid, fh }
  }

  /** What the device and its backend have logged. */
  get said(): string[] {
    return [...this.log, ...this.machine.log]
  }

  [Symbol.dispose](): void {
    this.machine[Symbol.dispose]()
  }
}
