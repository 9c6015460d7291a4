import { close } from './files.ts'
import { call, raw } from './ffi.ts'
import { systemMemory } from './system-memory.ts'

const EFD_CLOEXEC = 0o2000000
const EFD_NONBLOCK = 0o4000

const eventfd = call('int', 'eventfd', 'uint32', 'int')
const write = call('long', 'write', 'int', 'pointer', 'size')
const read = raw('long', 'read', 'int', 'pointer', 'size')

const counter = systemMemory(8)

/** A descriptor to wake a thread that waits for descriptors: eventfd(2). */
export function createEventfd(): number {
  return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)
}

/** Makes the descriptor readable. */
export function signalEventfd(fd: number): void {
  counter.view.setBigUint64(0, 1n, true)
  write(fd, counter.address, 8)
}

/** Makes the descriptor unreadable until the next signal. It must be readable, since an eventfd of another process may block. */
export function drainEventfd(fd: number): void {
  read(fd, counter.address, 8)
}

export { close as closeEventfd }
