import { ErrnoError, errno } from './errno.ts'
import { call, lastErrno, raw } from './ffi.ts'
import { close } from './files.ts'
import { systemMemory } from './system-memory.ts'

export const EPOLLIN = 0x1
export const EPOLLOUT = 0x4

const EPOLL_CLOEXEC = 0o2000000
const EPOLL_CTL_ADD = 1
const EPOLL_CTL_DEL = 2
const EPOLL_CTL_MOD = 3

const native = {
  create: call('int', 'epoll_create1', 'int'),
  control: call('int', 'epoll_ctl', 'int', 'int', 'int', 'pointer'),
  wait: raw('int', 'epoll_wait', 'int', 'pointer', 'int', 'int'),
}

/**
 * The size of struct epoll_event, events[4] data[8], and where its data lies. It is packed on x86-64 alone
 * (EPOLL_PACKED in include/uapi/linux/eventpoll.h).
 */
const [EVENT_BYTES, DATA] = process.arch === 'x64' ? [12, 4] : [16, 8]

/** How many events one call returns at most. The kernel begins the next call with the others. */
const EVENTS_MOST = 256

/**
 * The descriptors that a thread waits for, each with a number of its caller's: epoll(7), level-triggered. A
 * wait costs in proportion to what has happened, and not to the number of descriptors.
 */
export class Epoll {
  readonly #fd = native.create(EPOLL_CLOEXEC)
  readonly #event = systemMemory(EVENT_BYTES)
  readonly #happened = systemMemory(EVENT_BYTES * EVENTS_MOST)

  /**
   * @param events {@link EPOLLIN}, {@link EPOLLOUT} or both. Errors and hang-ups always count.
   * @param id 0 to 2^53 - 1.
   * @throws ErrnoError EEXIST for a descriptor that was added already; ENOSPC beyond the user's limit in
   *   /proc/sys/fs/epoll/max_user_watches; ENOMEM; EPERM for a regular file, which is always ready.
   */
  add(fd: number, events: number, id: number): void {
    this.#control(EPOLL_CTL_ADD, fd, events, id)
  }

  /** Changes the events that an added descriptor is waited for. */
  change(fd: number, events: number, id: number): void {
    this.#control(EPOLL_CTL_MOD, fd, events, id)
  }

  /**
   * To be called before the descriptor is closed: the kernel forgets it by itself only when no process has
   * another descriptor of the same open file, such as QEMU has of an eventfd.
   */
  remove(fd: number): void {
    this.#control(EPOLL_CTL_DEL, fd, 0, 0)
  }

  /**
   * Waits until something has happened or `timeout` milliseconds are over (-1: no limit). @returns how many
   * descriptors are ready; 0 also after a signal.
   */
  wait(timeout: number): number {
    const ready = native.wait(this.#fd, this.#happened.address, EVENTS_MOST, timeout)
    if (ready >= 0) return ready
    const number = lastErrno()
    if (number === errno.EINTR) return 0
    throw new ErrnoError(number, 'epoll_wait')
  }

  /** The number of the descriptor that {@link wait} has found ready as number `index`. */
  id(index: number): number {
    return this.#happened.view.getFloat64(index * EVENT_BYTES + DATA, true)
  }

  close(): void {
    close(this.#fd)
  }

  #control(operation: number, fd: number, events: number, id: number): void {
    const { view, address } = this.#event
    view.setUint32(0, events, true)
    // The kernel keeps these eight bytes as they are. A double holds any integer up to 2^53.
    view.setFloat64(DATA, id, true)
    native.control(this.#fd, operation, fd, address)
  }
}
