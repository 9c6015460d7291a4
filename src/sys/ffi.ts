/** System calls: only this room calls C, with the errors, descriptors and memory that this takes. */

import koffi from 'koffi'
import { ErrnoError, errno } from './errno.ts'

/**
 * The C library that this process is linked with. Nothing is looked up by a file name, so glibc and musl are
 * treated alike.
 */
const library = koffi.load(null)

/**
 * The C types of parameters. Pointers are addresses of memory that system-memory.ts has made, as plain
 * numbers: a call allocates and converts nothing.
 */
type Type = 'int' | 'uint32' | 'size' | 'pointer' | 'int64'

/** The type that a function returns: `int`, or `long` for ssize_t and off_t. */
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

type Values = readonly (number | bigint)[]
type Native = (...values: Values) => number

/** How often an interrupted call is made again before its EINTR is passed on. */
const ATTEMPTS = 100

/**
 * A function of libc that returns -1 and sets errno when it fails.
 *
 * A call that a signal has interrupted is made again: the client's request has nothing to do with the signals
 * of this process. For Node's handlers the kernel repeats calls by itself (SA_RESTART, signal(7)), but a file
 * system in user space may answer EINTR as often as it likes (fs/fuse/dev.c). close(2) is not made again, see
 * files.ts.
 *
 * @returns a function that throws {@link ErrnoError} instead, with the function's name as its operation.
 */
export function call<const A extends readonly Type[]>(
  result: Result,
  name: string,
  ...parameters: A
): (...values: Arguments<A>) => number {
  const native = raw(result, name, ...parameters) as Native
  return checked(name, native, parameters.length)
}

/** As {@link call} without the check, for callers that expect -1, such as with EAGAIN on a socket. */
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

/**
 * A function that makes the call and, if it fails, calls {@link afterFailure}. There is one for each number
 * of parameters: a function with rest parameters would make V8 build an array of the arguments on each call,
 * and spread it again.
 */
function checked(name: string, native: Native, parameters: number): Native {
  switch (parameters) {
    case 0:
      return () => {
        const value = native()
        return value === -1 ? afterFailure(name, native) : value
      }
    case 1:
      return (a) => {
        const value = native(a)
        return value === -1 ? afterFailure(name, native, a) : value
      }
    case 2:
      return (a, b) => {
        const value = native(a, b)
        return value === -1 ? afterFailure(name, native, a, b) : value
      }
    case 3:
      return (a, b, c) => {
        const value = native(a, b, c)
        return value === -1 ? afterFailure(name, native, a, b, c) : value
      }
    case 4:
      return (a, b, c, d) => {
        const value = native(a, b, c, d)
        return value === -1 ? afterFailure(name, native, a, b, c, d) : value
      }
    case 5:
      return (a, b, c, d, e) => {
        const value = native(a, b, c, d, e)
        return value === -1 ? afterFailure(name, native, a, b, c, d, e) : value
      }
    case 6:
      return (a, b, c, d, e, f) => {
        const value = native(a, b, c, d, e, f)
        return value === -1 ? afterFailure(name, native, a, b, c, d, e, f) : value
      }
    case 7:
      return (a, b, c, d, e, f, g) => {
        const value = native(a, b, c, d, e, f, g)
        return value === -1 ? afterFailure(name, native, a, b, c, d, e, f, g) : value
      }
    default:
      throw new RangeError(
        `${name} has ${parameters} parameters, and none was expected to have so many`,
      )
  }
}

/** The call has failed. It is made again as long as it is interrupted. @throws ErrnoError */
function afterFailure(name: string, native: Native, ...values: Values): number {
  let value = -1
  for (let left = ATTEMPTS; value === -1; left--) {
    const number = koffi.errno()
    if (number !== errno.EINTR || left === 0) throw new ErrnoError(number, name)
    value = native(...values)
  }
  return value
}

/** errno of the last call on this thread. */
export function lastErrno(): number {
  return koffi.errno()
}

/** The address of a buffer's bytes. They do not move while the buffer lives. */
export function addressOf(buffer: ArrayBuffer): number {
  return Number(koffi.address(new Uint8Array(buffer)))
}

/**
 * `size` bytes at `address` as an ArrayBuffer. It does not own them: it must not be used after they are freed
 * or unmapped.
 */
export function bufferAt(address: number, size: number): ArrayBuffer {
  return koffi.view(address, size)
}
