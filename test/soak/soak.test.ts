import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { temporaryDirectory } from '../support/temporary.ts'
import { Cli } from '../support/vm-cli.ts'
import { type Place, Soak, kinds } from './clients.ts'
import { type Sample, flatness, sampleOf } from './process-tree.ts'

/** How long the soak goes on, in seconds. In the gate it shows that every client still does something. */
const seconds = Number(process.env['LOWERDIR_SOAK_SECONDS'] ?? 5)

/** Memory and descriptors are compared from this many seconds on: before, caches and compilers still fill. */
const MEASURED = 120

/** Descriptors that the server may have: few, so that it gives back and fetches those of files all the time. */
const DESCRIPTORS = 256

/** Rounds that every client makes, however short the soak is. */
const LEAST_ROUNDS = 2

it(
  'serves clients of every kind at once, and neither its memory nor its descriptors grow',
  { timeout: (seconds + 600) * 1000 },
  async () => {
    const folder = temporaryDirectory()
    const shared = join(folder, 'shared')
    mkdirSync(shared)
    const place: Place = {
      shared,
      unix: join(folder, 'socket'),
      device: join(folder, 'device'),
      killed: join(folder, 'killed'),
    }
    const addresses = [`unix:${place.unix}`, `vhost-user:${place.device},tag=soak`]
    const listen = addresses.flatMap((address) => ['--listen', address])
    await using cli = Cli.limited(DESCRIPTORS, ['serve', shared, ...listen])
    await cli.printed('vhost-user')
    const server = cli.child.pid!

    const before = sampleOf(server)
    const end = performance.now() + seconds * 1000
    const soak = new Soak(place, (rounds) => rounds < LEAST_ROUNDS || performance.now() < end)
    const samples: Sample[] = []
    const clients = Promise.all(Object.values(kinds).map((kind) => soak.run(kind)))
    const ended = clients.then(
      () => true,
      () => true,
    )
    do {
      samples.push(sampleOf(server))
      churn(shared, samples.length)
    } while (!(await Promise.race([ended, sleep(500, false)])))
    const rounds = await clients
    soak.close()

    // The server closes what its last clients had.
    await expect.poll(() => sampleOf(server).descriptors).toBeLessThanOrEqual(before.descriptors)
    const table = Object.keys(kinds).map((name, i) => `${name} ${rounds[i]}`)
    const flat = flatness(samples)
    console.log(`soak: ${seconds} s; rounds: ${table.join(', ')}; ${flat.text}`)
    expect(Math.min(...rounds)).toBeGreaterThanOrEqual(LEAST_ROUNDS)
    if (seconds < MEASURED) return
    expect(flat.memoryRatio).toBeLessThan(1.15)
    expect(flat.descriptorsRatio).toBeLessThan(1.15)
  },
)

/** What a program of the host does in a directory that is served. */
function churn(shared: string, round: number): void {
  const file = join(shared, `of-the-host-${round % 7}`)
  writeFileSync(file, `round ${round}`)
  renameSync(file, join(shared, `of-the-host-${(round + 3) % 7}`))
}
