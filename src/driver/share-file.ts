import { ErrnoError, type ErrnoName, errno } from '../sys/errno.ts'
import { Deferred } from '../tree/deferred.ts'
import type { SyntheticFile, SyntheticHandle } from '../tree/synthetic/entry.ts'

/** The content of a file; a string is written as UTF-8. A function is called once for each open, at the first read. */
export type ShareContent =
  | string
  | Uint8Array
  | (() => string | Uint8Array | Promise<string | Uint8Array>)

/** An operation of a guest on a file. */
export type ShareOperation = 'open' | 'read' | 'write'

/**
 * The error that operations on a file fail with: always, the first `times` times, or as a function decides each time. An
 * errno's name and `times` apply to reads and writes; the function is asked for opens as well.
 */
export type ShareFault =
  | ErrnoName
  | { readonly error: ErrnoName; readonly times: number }
  | ((operation: ShareOperation) => ErrnoName | null | undefined)

/** A file of a {@link share}. */
export interface ShareFile {
  /** Its content. A file without it cannot be read. */
  readonly read?: ShareContent
  /**
   * Called with the data of each write and its offset in bytes. An ErrnoError that it throws is the writer's error; other
   * errors become EIO. A file without it cannot be written.
   */
  readonly write?: (data: Buffer, offset: number) => void | Promise<void>
  /** The delay of each read and each write, in milliseconds. Default: 0. */
  readonly delay?: number
  /** The error that operations fail with. Default: none. */
  readonly fault?: ShareFault
  /** Permission bits. Default: 0o444 for a file that can be read, 0o222 for one that can be written, or both. */
  readonly mode?: number
}

/**
 * How many bytes of writes that have not ended are kept for one file (16 MiB). More are EAGAIN: the session's own limit of
 * deferred requests comes too late, when the function has the data already.
 */
const WRITE_BYTES = 16 << 20

const PROPERTIES = new Set(['read', 'write', 'delay', 'fault', 'mode'])

/** Whether an object describes a file. */
export function isFile(value: object): value is ShareFile {
  const keys = Object.keys(value)
  return keys.length > 0 && keys.every((key) => PROPERTIES.has(key))
}

/** Whether a value is the content of a file. */
export function isContent(value: unknown): value is ShareContent {
  return typeof value === 'string' || typeof value === 'function' || value instanceof Uint8Array
}

/** The synthetic tree's entry for a file. */
export function shareFile({ read, write, delay = 0, fault, mode }: ShareFile): SyntheticFile {
  const faults = new Faults(fault)
  const constant = read === undefined || typeof read === 'function' ? undefined : bytesOf(read)
  let writing = 0
  const usual = (read === undefined ? 0 : 0o444) | (write === undefined ? 0 : 0o222)
  return {
    kind: 'file',
    mode: mode ?? usual,
    ...(constant === undefined ? {} : { size: constant.length }),
    open() {
      faults.check('open')
      const handle: SyntheticHandle = {}
      if (read !== undefined) {
        let content: Uint8Array | Promise<Uint8Array> | undefined = constant
        handle.read = (offset, length) => {
          if (constant !== undefined && delay === 0) {
            faults.check('read')
            return constant.subarray(offset, offset + length)
          }
          return later(delay, async () => {
            faults.check('read')
            content ??= contentOf(read)
            return (await content).subarray(offset, offset + length)
          })
        }
      }
      if (write !== undefined) {
        handle.write = (offset, lent) => {
          if (writing + lent.length > WRITE_BYTES) throw new ErrnoError(errno.EAGAIN, 'write')
          writing += lent.length
          const data = Buffer.from(lent)
          const attempt = async (): Promise<number> => {
            faults.check('write')
            await write(data, offset)
            return data.length
          }
          return later(delay, attempt, () => {
            writing -= data.length
          })
        }
      }
      return handle
    },
  }
}

/** The bytes of a content. When the function fails, all reads of that open fail. */
async function contentOf(content: ShareContent): Promise<Uint8Array> {
  return bytesOf(typeof content === 'function' ? await content() : content)
}

function bytesOf(content: string | Uint8Array): Uint8Array {
  return typeof content === 'string' ? Buffer.from(content) : content
}

/**
 * Makes an answer after a delay. A request that is given up before does not call `make`.
 *
 * @param onDone is called once, when `make` has ended or will not be called.
 */
function later<V>(
  milliseconds: number,
  make: () => Promise<V>,
  onDone: () => void = () => {},
): Deferred<V> {
  let timer: NodeJS.Timeout | undefined
  const answer = new Deferred<V>(() => {
    if (timer === undefined) return
    clearTimeout(timer)
    onDone()
  })
  const start = (): void => {
    timer = undefined
    make()
      .finally(onDone)
      .then(
        (value) => answer.resolve(value),
        (error: unknown) => answer.reject(error),
      )
  }
  if (milliseconds > 0) timer = setTimeout(start, milliseconds)
  else start()
  return answer
}

/** The faults of one file, counted over all opens. */
class Faults {
  readonly #ask: (operation: ShareOperation) => ErrnoName | null | undefined

  constructor(fault: ShareFault | undefined) {
    if (typeof fault === 'function') {
      this.#ask = fault
      return
    }
    const error = typeof fault === 'string' ? fault : fault?.error
    let left = typeof fault === 'object' ? fault.times : Number.POSITIVE_INFINITY
    this.#ask = (operation) => (operation === 'open' || left-- <= 0 ? undefined : error)
  }

  /** @throws ErrnoError when the operation has to fail. */
  check(operation: ShareOperation): void {
    const name = this.#ask(operation)
    if (name != null) throw new ErrnoError(errno[name], `share: ${operation}`)
  }
}
