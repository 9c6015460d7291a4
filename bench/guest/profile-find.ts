import { join } from 'node:path'
import type { Program } from '../programs.ts'
import type { BenchGuest, BenchGuestOptions } from './guest.ts'
import { countGuest } from './measure.ts'
import { lowerdirVirtiofs } from './peers/lowerdir-virtiofs.ts'
import { portionOf } from './portion.ts'
import { type Profile, readProfile } from './profile.ts'
import { workloads } from './workloads.ts'

/** How often find runs while the server is profiled, each time on other files. */
const RUNS = 5

/**
 * Profiles lowerdir's server while a guest runs find with cache=none. In a guest of its own, since profiling slows the
 * server down.
 *
 * @param boot boots a guest with these options in place of the usual ones.
 */
export async function profileFind(
  scratch: string,
  fio: Program,
  boot: (own: Partial<BenchGuestOptions>) => Promise<BenchGuest>,
): Promise<Profile | undefined> {
  const find = workloads.find(({ name }) => name === 'find')
  if (find === undefined) return undefined
  const profile = join(scratch, 'engine.cpuprofile')
  const requests = new Map<number, number>()
  {
    await using guest = await boot({ peers: [lowerdirVirtiofs], profile })
    for (const { peer, started } of guest.peers) {
      for (let run = 0; run < RUNS; run++) {
        const portion = portionOf(run, false, fio)
        const counts = await countGuest(guest, peer, started, 'none', find, portion, 1)
        for (const [kind, count] of counts[0] ?? []) {
          requests.set(kind, (requests.get(kind) ?? 0) + count)
        }
      }
    }
  }
  // The server has ended with its guest, and has written the profile.
  return { times: readProfile(profile), requests }
}
