/**
 * Linux error numbers (include/uapi/asm-generic/errno-base.h and errno.h): the same on x86-64 and aarch64, and in the
 * replies of 9P2000.L and FUSE.
 */
export const errno = {
  EPERM: 1,
  ENOENT: 2,
  ESRCH: 3,
  EINTR: 4,
  EIO: 5,
  ENXIO: 6,
  E2BIG: 7,
  EBADF: 9,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EBUSY: 16,
  EEXIST: 17,
  EXDEV: 18,
  ENODEV: 19,
  ENOTDIR: 20,
  EISDIR: 21,
  EINVAL: 22,
  ENFILE: 23,
  EMFILE: 24,
  ETXTBSY: 26,
  EFBIG: 27,
  ENOSPC: 28,
  ESPIPE: 29,
  EROFS: 30,
  EMLINK: 31,
  EPIPE: 32,
  ERANGE: 34,
  EDEADLK: 35,
  ENAMETOOLONG: 36,
  ENOLCK: 37,
  ENOSYS: 38,
  ENOTEMPTY: 39,
  ELOOP: 40,
  ENODATA: 61,
  EOVERFLOW: 75,
  EMSGSIZE: 90,
  EADDRINUSE: 98,
  EADDRNOTAVAIL: 99,
  ECONNRESET: 104,
  EOPNOTSUPP: 95,
  ECONNREFUSED: 111,
  ESTALE: 116,
  EDQUOT: 122,
  ECANCELED: 125,
} as const

export type ErrnoName = keyof typeof errno

const names = new Map<number, ErrnoName>(
  Object.entries(errno).map(([name, number]) => [number, name as ErrnoName]),
)

/** The name of an error number (`ENOENT` for 2), or `errno 999` for one this table does not have. */
export function errnoName(number: number): string {
  return names.get(number) ?? `errno ${number}`
}

/** An operation failed with a Linux error number. */
export class ErrnoError extends Error {
  override readonly name = 'ErrnoError'
  readonly errno: number
  /** The system call or the operation of a protocol that has failed. */
  readonly operation: string

  constructor(number: number, operation: string) {
    super(`${operation}: ${errnoName(number)}`)
    this.errno = number
    this.operation = operation
  }

  /** The errno's name, in the property where Node's own errors carry it. */
  get code(): string {
    return errnoName(this.errno)
  }
}

/**
 * The error number for a thrown value: that of an {@link ErrnoError}, or that of an error of Node's with a
 * known `code`. For everything else it is EIO, since a client must always get an answer.
 */
export function errnoOf(thrown: unknown): number {
  if (thrown instanceof ErrnoError) return thrown.errno
  if (thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'string') {
    if (Object.hasOwn(errno, thrown.code)) return errno[thrown.code as ErrnoName]
  }
  return errno.EIO
}
