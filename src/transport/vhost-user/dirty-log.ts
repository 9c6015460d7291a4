import { discard } from '../../sys/files.ts'
import { Mapping } from '../../sys/mapping.ts'
import { sealLength } from '../../sys/seals.ts'
import type { MemoryTrust } from './guest-memory.ts'
import { FrontendError } from './message.ts'

/** The longest log, in bytes: a bit for each page of 4 KiB of 32 TiB. */
const LOG_BYTES_MAX = 2 ** 30

/**
 * The front end's log of pages that this backend has written, a bit for each (vhost-user.rst, "Migration"). Whatever is written,
 * all pages are marked. A machine that is saved is stopped before, so there is next to nothing to log, and marking 1 GiB of
 * memory takes as long as a system call. A machine that is migrated while it runs would be sent again and again until it stops.
 */
export class DirtyLog {
  readonly #mapping: Mapping

  /**
   * Maps the log, and closes its file in any case.
   *
   * @throws FrontendError for a log that is too long or could be truncated; ErrnoError as mmap(2).
   */
  constructor(fd: number, offset: number, size: number, trust: MemoryTrust) {
    try {
      if (size < 1 || size > LOG_BYTES_MAX) throw new FrontendError(`a log of ${size} bytes`)
      if (trust === 'sealed' && !sealLength(fd)) {
        throw new FrontendError('a log in a file that the frontend could truncate (SIGBUS)')
      }
      this.#mapping = new Mapping(fd, offset, size)
    } finally {
      discard(fd)
    }
  }

  markAll(): void {
    for (const { bytes } of this.#mapping.windows) bytes.fill(0xff)
  }

  close(): void {
    this.#mapping.close()
  }
}
