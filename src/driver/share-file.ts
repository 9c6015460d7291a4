import { ErrnoError, type ErrnoName, errno } from '../sys/errno.ts'
import { Deferred } from '../tree/deferred.ts'
import type { SyntheticFile, SyntheticHandle } from '../tree/synthetic/entry.ts'

/** A file's bytes; text is UTF-8. A function is called once for each open, when that is read. */
export type ShareContent = Bytes | (() => Bytes | Promise<Bytes>)

type Bytes = string | Uint8Array

/** What a guest does with a file. */
export type ShareOperation = 'open' | 'read' | 'write'

/**
 * What goes wrong with a file: always, the first so many times, or as a function says, which is asked each time. The
 * first two are about reads and writes, the last about opens as well.
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
   * Gets what is written, as it comes, and where; what it throws the writer gets as its error, EIO where it is no
   * system error. A file without it cannot be written.
   */
  readonly write?: (data: Buffer, offset: number) => void | Promise<void>
  /** Milliseconds that each read and each write waits for its answer. Default: 0. */
  readonly delay?: number
  readonly fault?: ShareFault
  /** Permission bits. Default: for everybody what can be done with it. */
  readonly mode?: number
}

const PROPERTIES = new Set(['read', 'write', 'delay', 'fault', 'mode'])

/** Whether an object describes a file. */
export function isFile(value: object): value is ShareFile {
  const keys = Object.keys(value)
  return keys.length > 0 && keys.every((key) => PROPERTIES.has(key))
}

export function isContent(value: unknown): value is ShareContent {
  return typeof value === 'string' || typeof value === 'function' || value instanceof Uint8Array
}

/** The entry for a file. */
export function shareFile({ read, write, delay = 0, fault, mode }: ShareFile): SyntheticFile {
  const faults = new Faults(fault)
  const constant = read === undefined || typeof read === 'function' ? undefined : bytesOf(read)
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
          const data = Buffer.from(lent)
          return later(delay, async () => {
            faults.check('write')
            await write(data, offset)
            return data.length
          })
        }
      }
      return handle
    },
  }
}

/** A content that fails has failed for the whole of an open. */
async function contentOf(content: ShareContent): Promise<Uint8Array> {
  return bytesOf(typeof content === 'function' ? await content() : content)
}

function bytesOf(content: Bytes): Uint8Array {
  return typeof content === 'string' ? Buffer.from(content) : content
}

/** An answer after a while. Who does not wait for it any more does not have it made. */
function later<V>(milliseconds: number, make: () => Promise<V>): Deferred<V> {
  let timer: NodeJS.Timeout | undefined
  const answer = new Deferred<V>(() => clearTimeout(timer))
  const start = (): void => {
    make().then(
      (value) => answer.resolve(value),
      (error: unknown) => answer.reject(error),
    )
  }
  if (milliseconds > 0) timer = setTimeout(start, milliseconds)
  else start()
  return answer
}

/** What goes wrong with one file, whoever opens it. */
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

  /** @throws ErrnoError when it is time for one. */
  check(operation: ShareOperation): void {
    const name = this.#ask(operation)
    if (name != null) throw new ErrnoError(errno[name], `share: ${operation}`)
  }
}
