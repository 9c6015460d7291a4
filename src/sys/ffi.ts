import koffi from 'koffi'
import { ErrnoError, errno } from './errno.ts'

/**
 * The functions of the C library that this process is linked with already: no library is looked up
 * by name, so glibc and musl are the same to us.
 */
const library = koffi.load(null)

/**
 * Types of C as they appear in the table below. Pointers are addresses (plain numbers) into memory
 * that {@link ./memory.ts} owns: nothing is allocated or converted on a call.
 */
type Type = 'int' | 'uint32' | 'size' | 'pointer' | 'int64'

/** What a function returns: `int`, or `long` for ssize_t and off_t. */
type Result = 'int' | 'long'

const cTypes = {
  int: 'int',
  uint32: 'uint32_t',
  size: 'size_t',
  pointer: 'uintptr_t',
  int64: 'int64_t',
  long: 'intptr_t',
} as const satisfies Record<Type | Result, string>

type Argument<A extends Type> = A extends 'int64' ? number | bigint : number
type Arguments<A extends readonly Type[]> = { -readonly [I in keyof A]: Argument<A[I]> }

/** How often an interrupted call is made again before its EINTR is passed on. */
const ATTEMPTS = 100

/**
 * A function of libc that answers -1 and sets errno when it fails.
 *
 * A call that a signal has interrupted is made again: whoever asked for it, in a guest, knows
 * nothing of our signals. The kernel does so by itself for Node's handlers (SA_RESTART, signal(7)),
 * but a file system in user space may answer EINTR of its own accord (fs/fuse/dev.c), and as often
 * as it likes. Not for close(2), see files.ts.
 *
 * @returns a function that throws {@link ErrnoError} instead, named for the system call.
 */
export function call<const A extends readonly Type[]>(
  result: Result,
  name: string,
  ...parameters: A
): (...values: Arguments<A>) => number {
  const native = raw(result, name, ...parameters)
  return (...values) => {
    let value = native(...values)
    for (let left = ATTEMPTS; value === -1; left--) {
      const number = koffi.errno()
      if (number !== errno.EINTR || left === 0) throw new ErrnoError(number, name)
      value = native(...values)
    }
    return value
  }
}

/** The same without the check: for callers to whom -1 is ordinary, such as EAGAIN on a socket. */
export function raw<const A extends readonly Type[]>(
  result: Result,
  name: string,
  ...parameters: A
): (...values: Arguments<A>) => number {
  return library.func(
    name,
    cTypes[result],
    parameters.map((type) => cTypes[type]),
  )
}

/** errno of the last call on this thread. */
export function lastErrno(): number {
  return koffi.errno()
}

/** Where a buffer's bytes lie; they do not move while the buffer lives. */
export function addressOf(buffer: ArrayBuffer): number {
  return Number(koffi.address(new Uint8Array(buffer)))
}

/**
 * `size` bytes at `address` as an ArrayBuffer. It does not own them: whoever gave them away may take
 * them back, and nobody may look at the buffer after that.
 */
export function bufferAt(address: number, size: number): ArrayBuffer {
  return koffi.view(address, size)
}
