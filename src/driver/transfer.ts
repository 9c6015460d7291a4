import type { Readable } from 'node:stream'
import { ByteCollector } from '../util/byte-collector.ts'
import { streamEnd } from '../util/promises.ts'
import type { Guest } from './guest.ts'
import { after } from './waits/after.ts'
import { type WaitOptions, anySignal } from './waits/wait.ts'

/** How many bytes of a script's complaints are kept, from the first on. The first one says most. */
const COMPLAINT_BYTES = 64 << 10

/** The limits of a transfer of files. */
export interface TransferOptions extends WaitOptions {
  /** Aborting it ends the transfer. Bytes that have arrived stay. */
  readonly signal?: AbortSignal | undefined
}

/** A script for the guest that reads or writes bytes. */
export interface Transfer<T> extends TransferOptions {
  readonly script: string
  /** The script's standard input, read no faster than the script reads it and destroyed afterwards. Default: empty. */
  readonly input?: Readable
  /** Reads the script's standard output to its end. Default: the output is discarded. */
  readonly take?: (output: Readable) => Promise<T>
}

/** How a transfer ended. */
export interface Transferred<T> {
  /** The shell's exit status. */
  readonly exitStatus: number
  /** The beginning of the script's standard error. */
  readonly complaint: string
  /** What `take` has resolved with. */
  readonly taken: T | undefined
}

/**
 * Runs a script that moves bytes into or out of a guest, in any amount: the streams have back pressure, and nothing is
 * kept in memory.
 *
 * @throws what reading the input or `take` throws; MachineError when the machine ends first; Error when the time is
 *   over. No process of the script runs on then, unless the guest does not answer.
 */
export async function transfer<T = void>(
  guest: Guest,
  { script, input, take, ...bounds }: Transfer<T>,
): Promise<Transferred<T>> {
  const { timeout = guest.defaultTimeout, signal } = bounds
  const { answering } = guest
  const over = new AbortController()
  const endFor = (reason: string): void => over.abort(new Error(`${guest.name}: ${reason}`))
  const any = anySignal(over.signal, guest.upset, signal)
  const stopTimers = [
    after(timeout, () => endFor(`the transfer was ended after ${timeout} seconds.`)),
    answering.whileSilent((seconds) => {
      endFor(`the transfer was ended after ${seconds} seconds: the guest does not answer.`)
    }),
  ]
  try {
    any.throwIfAborted()
    const running = guest.qemu.runScript(script, input ?? null)
    let isEnding = false
    let giveUp!: (reason: Error) => void
    const givenUp = new Promise<never>((_resolve, reject) => {
      giveUp = reject
    })
    givenUp.catch(() => {})
    const end = (cause: unknown): void => {
      if (isEnding) return
      isEnding = true
      running.kill()
      const mark = answering.asked()
      const isOver = (): void => {
        mark()
        const reason = (any.aborted ? any.reason : cause) as Error
        running.giveUp(reason)
        giveUp(reason)
      }
      stopTimers.push(after(answering.isSilent ? 0 : answering.grace, isOver))
    }
    any.addEventListener('abort', end, { once: true })
    const status = running.exitStatus
    const output = take?.(running.stdout) ?? Promise.resolve(void running.stdout.resume())
    output.catch(end)
    input?.once('error', end)
    const complaints = beginning(running.stderr, COMPLAINT_BYTES)
    const all = Promise.allSettled([status, output, complaints])
    const [exited, taken] = await Promise.race([all, givenUp])
    any.removeEventListener('abort', end)
    any.throwIfAborted()
    // The machine's end comes first: it also destroys the streams, and their errors say nothing about why.
    if (exited.status === 'rejected') throw exited.reason
    if (input?.errored) throw input.errored
    if (taken.status === 'rejected') throw taken.reason
    const complaint = (await complaints).toString()
    return { exitStatus: exited.value, complaint, taken: taken.value as T | undefined }
  } finally {
    for (const stop of stopTimers) stop()
    input?.destroy()
  }
}

/** A guest sends more than there is room for. */
export class TooMuchError extends Error {
  override readonly name = 'TooMuchError'
}

/** The first bytes of a stream, which is read to its end. A stream that is destroyed has ended. */
function beginning(stream: Readable, limit: number): Promise<Buffer> {
  const bytes = new ByteCollector(limit)
  stream.on('data', (chunk: Buffer) => void bytes.add(chunk))
  return streamEnd(stream).then(() => bytes.from(0))
}

/**
 * Reads a stream to its end.
 *
 * @param limit in bytes.
 * @throws TooMuchError for a stream with more.
 */
export async function atMost(stream: Readable, limit: number): Promise<Buffer> {
  const bytes = new ByteCollector(limit)
  for await (const chunk of stream) {
    if (!bytes.add(chunk as Buffer))
      throw new TooMuchError(`The guest has sent more than ${limit} bytes.`)
  }
  return bytes.from(0)
}
