import { throwAll } from '../machine/resources.ts'
import { MemoryQueue } from './memory-queue.ts'
import { messageOf } from '../util/error.ts'

/** A machine to boot, together with others. */
export interface Start<M> {
  readonly name: string
  readonly memoryMiB: number
  /** @param signal is aborted when another machine has failed to boot. */
  boot(signal: AbortSignal): Promise<M>
}

/**
 * Boots machines, all at once as far as memory allows. A machine that does not fit beside those that boot waits for them.
 * A machine that boots alone need not fit, since a guest seldom uses all of its memory.
 *
 * @param availableMiB the available memory now.
 * @returns the machines, in the order of `starts`.
 * @throws Error with the name and the reason of the first machine that fails, after all others have ended.
 */
export async function bootAll<M extends AsyncDisposable>(
  starts: readonly Start<M>[],
  availableMiB?: () => number,
): Promise<M[]> {
  const abort = new AbortController()
  const memory = new MemoryQueue(availableMiB)
  const underway: Promise<void>[] = []
  const booted = new Map<number, M>()
  let failure: Error | undefined

  for (const [i, start] of starts.entries()) {
    const room = memory.tryTake(start.memoryMiB) ?? (await memory.take(start.memoryMiB))
    if (failure !== undefined) break
    const boot = async (): Promise<void> => {
      try {
        booted.set(i, await start.boot(abort.signal))
      } catch (cause) {
        failure ??= failureOf(start.name, cause)
        abort.abort(failure)
      }
      room[Symbol.dispose]()
    }
    underway.push(boot())
  }
  await Promise.all(underway)

  const machines = [...booted].toSorted(([a], [b]) => a - b).map(([, machine]) => machine)
  if (failure === undefined) return machines
  try {
    await disposeOfAll(machines)
  } catch (error) {
    // The machine that did not boot is the first reason, and gives the message.
    throw new AggregateError([failure, error], failure.message, { cause: error })
  }
  throw failure
}

/** Ends machines, all at once. An error with one does not stop the others. @throws the errors. */
export async function disposeOfAll(machines: readonly AsyncDisposable[]): Promise<void> {
  const ends = machines.map(async (machine) => machine[Symbol.asyncDispose]())
  const results = await Promise.allSettled(ends)
  const failures = results.flatMap((end) =>
    end.status === 'rejected' ? [end.reason as unknown] : [],
  )
  throwAll(failures, 'several machines could not be ended')
}

function failureOf(name: string, cause: unknown): Error {
  const reason = messageOf(cause)
  return new Error(`The machine ${name} did not boot: ${reason}`, { cause })
}
