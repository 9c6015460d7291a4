import { once } from 'node:events'
import { Worker } from 'node:worker_threads'

/** The longest that one sequence may take, in milliseconds: a thousand times what it does take. */
const PATIENCE = 30_000

/**
 * The server is synchronous, so a call that never returns would stop the test runner, too. This thread
 * watches it. If a sequence hangs, it ends the process and prints the seed.
 */
export async function watchdog(): Promise<Disposable & { tell(seed: number): void }> {
  const seeds = new BigInt64Array(new SharedArrayBuffer(8))
  const worker = new Worker(
    `const { parentPort, workerData: { seeds, patience } } = require('node:worker_threads')
    let last = seeds[0]
    setInterval(() => {
      if (Atomics.load(seeds, 0) === last) {
        require('node:fs').writeSync(2, 'fuzz: the sequence of seed ' + last + ' hangs\\n')
        process.kill(process.pid, 'SIGKILL')
      }
      last = Atomics.load(seeds, 0)
    }, patience)
    parentPort.postMessage('ready')`,
    { eval: true, workerData: { seeds, patience: PATIENCE } },
  )
  worker.unref()
  // Its thread opens descriptors, which must be in the count.
  await once(worker, 'message')
  return {
    tell: (seed) => Atomics.store(seeds, 0, BigInt(seed)),
    [Symbol.dispose]: () => void worker.terminate(),
  }
}
