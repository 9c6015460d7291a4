import { expect, it } from 'vitest'
import { measureRounds } from '../../bench/guest/rounds.ts'
import type { Workload } from '../../bench/guest/workload.ts'
import type { ProgressLine } from '../../src/cli/progress.ts'
import { temporaryDirectory } from '../support/temporary.ts'

/** How many of three rounds are measured, in a guest without peers, of which only the clock is asked for. */
async function measured(deadline: number): Promise<number> {
  const nothing: Workload = { name: 'nothing', group: 'read', run: () => ':' }
  const guest = {
    peers: [],
    pid: 0,
    run: async () => String(performance.now() / 1000),
    [Symbol.asyncDispose]: async () => {},
  }
  const [cell] = await measureRounds({
    guest,
    kind: { qemu: '11.1', kernel: '7.2', cpus: 1 },
    caches: ['none'],
    count: 3,
    deadline,
    whole: false,
    workloads: [nothing],
    tree: temporaryDirectory(),
    fio: { command: 'fio', args: [], version: '' },
    progress: { step: () => {}, say: () => {} } as unknown as ProgressLine,
  })
  return cell!.host.length
}

it('all rounds are measured where there is time', async () => {
  expect(await measured(Number.POSITIVE_INFINITY)).toBe(3)
})

it('one round is measured, and no other, where the time is already over', async () => {
  expect(await measured(performance.now() - 1)).toBe(1)
})
