import { throwAll } from '../machine/resources.ts'
import { MemoryQueue } from './memory-queue.ts'

/** A machine that is to be booted beside others. */
export interface Start<M> {
  readonly name: string
  readonly memoryMiB: number
  /** @param signal is aborted when another one has failed: nobody waits for this one any more. */
  boot(signal: AbortSignal): Promise<M>
}

/**
 * Boots machines, all at once as far as memory allows: one that does not fit beside those that are being booted
 * waits for them. It is tried after that, however little memory there is, since a guest seldom uses all that it has.
 *
 * @param availableMiB how much memory there is now.
 * @returns the machines, in the order of their starts.
 * @throws Error with the name and the reason of the first that fails. Nothing is left behind then.
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
  // Why one did not boot says more than what went wrong in ending another.
  await disposeOfAll(machines).catch(() => {})
  throw failure
}

/** Ends machines, all at once and each whatever becomes of the others. @throws what kept them from it. */
export async function disposeOfAll(machines: readonly AsyncDisposable[]): Promise<void> {
  const ends = machines.map(async (machine) => machine[Symbol.asyncDispose]())
  const results = await Promise.allSettled(ends)
  const failures = results.flatMap((end) =>
    end.status === 'rejected' ? [end.reason as unknown] : [],
  )
  throwAll(failures, 'several machines could not be ended')
}

function failureOf(name: string, cause: unknown): Error {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new Error(`The machine ${name} did not boot: ${reason}`, { cause })
}
