/**
 * Waits for a step of a test, and no longer than it may take.
 *
 * @param what for a person: "the shell prints \"ready\"".
 * @param seconds many times what it takes on a busy machine: the limit tells a step that stands still, and not a slow one.
 * @param seen says in the error what there is instead.
 * @throws an error that names the step when its time is over, and what `step` throws.
 */
export async function within<T>(
  seconds: number,
  what: string,
  step: Promise<T>,
  seen: () => string = () => '',
): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      const instead = seen()
      const end = instead === '' ? '.' : `:\n${instead}`
      reject(new StoodStill(`not within ${seconds} seconds: ${what}${end}`))
    }, seconds * 1000)
    timer.unref()
  })
  try {
    return await Promise.race([step, late])
  } finally {
    clearTimeout(timer)
  }
}

/** A step has not come to its end in the time that it may take. */
export class StoodStill extends Error {
  override readonly name = 'StoodStill'
}
