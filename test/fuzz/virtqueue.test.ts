import { mkdirSync, mkdtempSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, vi } from 'vitest'
import { openDescriptors } from '../support/descriptors.ts'
import { type DeviceKind, deviceKinds, p9Kind } from '../support/vhost-user/device-kinds.ts'
import { serveDevices } from '../support/vhost-user/device-server.ts'
import { HostileDriver } from './hostile-driver.ts'
import { Random } from './random.ts'
import { FuseSpeech, NineSpeech, type Speech } from './speech.ts'

/** How long to go on; without it, for a number of drivers that a few seconds are enough for. */
const seconds = Number(process.env['LOWERDIR_FUZZ_DRIVER_SECONDS'] ?? 0) / deviceKinds.length
const DRIVERS = 25
const firstSeed = Number(process.env['LOWERDIR_FUZZ_SEED'] ?? 1)

/** How many drivers share an engine, one after the other. */
const EACH = 40
const STEPS = 60

/** How long others may have to wait for an answer, in milliseconds. */
const PATIENCE = 20_000

/** All log lines that a hostile driver may cause. */
const words =
  /connected$|closed by the frontend$|recvmsg: ECONNRESET$|the device has stopped: |has reached its limit|left \d+ bytes for the answer to|does not fit into its frame|^sandbox|lines (are|were) left out/

it.each(deviceKinds)(
  '$name is harmed by no driver, whatever it writes into its rings',
  { timeout: (seconds + 120) * 1000 },
  async (kind) => {
    const end = performance.now() + seconds * 1000
    const goesOn = (seed: number): boolean =>
      seconds > 0 ? performance.now() < end : seed < firstSeed + DRIVERS
    let seed = firstSeed
    while (goesOn(seed)) seed = await playSome(kind, seed, goesOn)
    console.log(`fuzz: ${seed - firstSeed} hostile drivers of ${kind.name} from ${firstSeed} on`)
    expect(seed).toBeGreaterThan(firstSeed)
  },
)

/** An engine and the drivers from `first` on. @returns the next seed. */
async function playSome(
  kind: DeviceKind,
  first: number,
  goesOn: (seed: number) => boolean,
): Promise<number> {
  // For the case that the process crashes, as after a read of memory that is not mapped.
  if (seconds > 0) writeSync(2, `fuzz: hostile drivers from seed ${first} on\n`)
  const before = openDescriptors()
  const folder = mkdtempSync(join(tmpdir(), 'lowerdir-fuzz-'))
  mkdirSync(join(folder, 'tree'))
  writeFileSync(join(folder, 'tree', 'file'), 'hello')
  let seed = first
  try {
    const server = await serveDevices(join(folder, 'tree'), {}, folder, kind)
    const other = await server.client()
    const descriptors = server.descriptors()
    for (; seed < first + EACH && goesOn(seed); seed++) {
      const driver = new HostileDriver(new Random(seed), server, speechTo(kind))
      for (let step = 0; step < STEPS; step++) {
        driver.step()
        if (step % 10 === 0) await inTime(other.call.getattr({ fid: 0, mask: 0 }))
      }
      driver.close()
      await inTime(other.call.getattr({ fid: 0, mask: 0 }))
      // The connection is gone with all that belonged to it, its locks included.
      await vi.waitFor(() => expect(server.descriptors()).toBe(descriptors), { timeout: PATIENCE })
    }
    expect(server.log.filter((line) => !words.test(line))).toEqual([])
    other.close()
    await server.engine.close()
  } catch (error) {
    throw new Error(`seed ${seed}: once more with npm run fuzz -- --seed ${seed} --seconds 1`, {
      cause: error,
    })
  } finally {
    rmSync(folder, { recursive: true })
  }
  expect(openDescriptors()).toBe(before)
  return seed
}

function speechTo(kind: DeviceKind): Speech {
  return kind === p9Kind ? new NineSpeech() : new FuseSpeech()
}

async function inTime(answer: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error('another client is not answered')), PATIENCE)
  })
  try {
    await Promise.race([answer, late])
  } finally {
    clearTimeout(timer)
  }
}
