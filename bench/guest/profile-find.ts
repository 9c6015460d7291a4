import { join } from 'node:path'
import type { Program } from '../programs.ts'
import type { BenchGuest, BenchGuestOptions } from './guest.ts'
import { countGuest } from './measure.ts'
import { lowerdirVhostUser } from './peers/lowerdir-vhost-user.ts'
import { portionOf } from './portion.ts'
import { type Profile, readProfile } from './profile.ts'
import { workloads } from './workloads.ts'

/** How often find runs while the server is profiled, each time over other files. */
const RUNS = 5

/**
 * Lets our server make a profile of itself while a guest runs find with cache=none: in a guest of its own, for
 * being profiled takes time.
 *
 * @param boot a guest that has our server's device.
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
    await using guest = await boot({ peers: [lowerdirVhostUser], profile })
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
  // The server has ended with its guest, and has written it.
  return { times: readProfile(profile), requests }
}
