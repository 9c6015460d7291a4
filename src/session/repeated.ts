import { Deferred } from '../tree/deferred.ts'
import { TryAgain } from '../tree/try-again.ts'

/** The first pause between two attempts and the longest one, in milliseconds. */
const FIRST_PAUSE = 5
const LONGEST_PAUSE = 200

/**
 * How long it is tried, in milliseconds. After 45 seconds the kernel takes a lease away (/proc/sys/fs/lease-break-time of
 * proc(5)).
 */
const TIMEOUT = 60_000

/**
 * The answer of the first attempt that does not fail with TryAgain.
 *
 * @param first the failure of the attempt that was made already.
 */
export function repeated<A>(first: TryAgain, attempt: () => A | Deferred<A>): Deferred<A> {
  let cancel = (): void => {}
  const deferred = new Deferred<A>(() => cancel())
  const wait = ({ later }: TryAgain, pause: number, left: number): void => {
    cancel = later(pause, () => {
      let answer: A | Deferred<A>
      try {
        answer = attempt()
      } catch (error) {
        if (error instanceof TryAgain && left > 0) {
          wait(error, Math.min(2 * pause, LONGEST_PAUSE), left - pause)
        } else deferred.reject(error)
        return
      }
      if (!(answer instanceof Deferred)) deferred.resolve(answer)
      else {
        cancel = () => answer.cancel()
        answer.wait((outcome) => {
          if (outcome.ok) deferred.resolve(outcome.value)
          else deferred.reject(outcome.error)
        })
      }
    })
  }
  wait(first, FIRST_PAUSE, TIMEOUT)
  return deferred
}
