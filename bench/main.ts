import { mkdtempSync, rmSync } from 'node:fs'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { UserError } from '../src/cli/user-error.ts'
import { parseChoice, parseCount } from '../src/cli/values.ts'
import { ProvisionError } from '../src/provision/provision-error.ts'
import { reportAllocations } from './device/allocations.ts'
import { benchDriver, driverWorkloads } from './driver/bench-driver.ts'
import { driverReport } from './driver/driver-report.ts'
import { benchFs, fsWorkloads } from './fs/bench-fs.ts'
import { benchGuest, guestWorkloads } from './guest/bench-guest.ts'
import { writeDocument } from './guest/document.ts'
import type { kernelSuites } from './guest/prerequisites.ts'
import { reportText } from './guest/guest-report.ts'
import { benchServer, serverWorkloads } from './server/bench-server.ts'

const usage = `Measures lowerdir and other servers in turns, and prints how they compare.

npm run bench -- [server|device|fs|driver|guest] [OPTION ...] [WORD ...]

  server             the servers alone: requests over a unix socket, to lowerdir and to diod
  device             the memory that a request allocates in the server, and the functions that allocate it
  fs                 the file system device: requests of a driver without a guest, to lowerdir and to virtiofsd
  driver             the test driver: how long machines take to boot, and commands to run in them
  guest              programs in a VM, whose QEMU has a device for each of lowerdir (virtio-fs
                     and 9P), virtiofsd, QEMU's own virtio-9p and diod
                     (without any of these words, all five)

  --quick            measure less: shows large differences, not small ones
  --rounds N         fs, driver, guest: how often everything is measured (default 9, 5 and 5; quick: 3, 2 and 1)
  --cpus N,M         guest: the numbers of virtual CPUs, with a boot for each (default 1,2; quick: 1)
  --kernel NAME      guest: newest or oldest of Debian's QEMUs and kernels, or both; both measures the oldest ones
                     only with one virtual CPU (default both; quick: newest)
  --minutes N        guest: leave out rounds that would end later than this, but never the first one (default 25)
  --whole            guest: measure the whole tree in every round, not a different part of it in each
  --write            guest: write the results to docs/performance-guest.md and its plots
  --verbose          guest: show what QEMU and the guest print
  --profile FILE     server, fs: write a .cpuprofile of lowerdir's server to FILE
  WORD ...           only workloads whose name contains one of the words
                     server: ${serverWorkloads.join(', ')}
                     fs: ${fsWorkloads.join(', ')}
                     driver: ${driverWorkloads.join(', ')}
                     guest: ${guestWorkloads.join(', ')}

The machine needs bash, find, git, gcc and make; everything else is fetched from Debian's packages.`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    cpus: { type: 'string' },
    kernel: { type: 'string' },
    minutes: { type: 'string' },
    whole: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
    verbose: { type: 'boolean', default: false },
    profile: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
})
const { quick } = values
const allKinds: ReadonlySet<string> = new Set(['server', 'device', 'fs', 'driver', 'guest'])

try {
  if (values.help) console.log(usage)
  else await bench()
} catch (error) {
  // The message is made for people; a stack would not help.
  if (!(error instanceof ProvisionError || error instanceof UserError)) throw error
  console.error(error.message)
  process.exitCode = 1
}

async function bench(): Promise<void> {
  const kinds = positionals.filter((word) => allKinds.has(word))
  const words = positionals.filter((word) => !allKinds.has(word))
  const isWanted = (kind: string, names: readonly string[]): boolean =>
    (kinds.length === 0 || kinds.includes(kind)) &&
    (words.length === 0 || names.some((name) => words.some((word) => name.includes(word))))

  const scratch = mkdtempSync(join(tmpdir(), 'lowerdir-bench-'))
  // A server that is starting or ending may still make or remove its socket in there.
  const removal = { recursive: true, force: true, maxRetries: 5 }
  process.once('exit', () => rmSync(scratch, removal))
  // The other processes are in the same group, so the signal has reached them as well.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => process.exit(128 + constants.signals[signal]))
  }

  if (isWanted('server', serverWorkloads)) {
    const { profile } = values
    await benchServer({ quick, profile, words, scratch, print: (line) => console.log(line) })
  }
  if (isWanted('device', ['allocations'])) {
    for (const line of await reportAllocations(scratch)) console.log(line)
  }
  const roundsOr = (number: string): number =>
    parseCount('rounds', values.rounds ?? number, 1, 1000)
  if (isWanted('fs', fsWorkloads)) {
    const rounds = roundsOr(quick ? '3' : '9')
    const { profile } = values
    await benchFs({ quick, rounds, profile, words, scratch, print: (line) => console.log(line) })
  }
  if (isWanted('driver', driverWorkloads)) {
    const rounds = roundsOr(quick ? '2' : '5')
    console.log(driverReport(await benchDriver({ rounds, quick, words, scratch })))
  }
  if (isWanted('guest', guestWorkloads)) {
    const results = await benchGuest({
      quick,
      rounds: roundsOr(quick ? '1' : '5'),
      cpus: (values.cpus ?? (quick ? '1' : '1,2')).split(',').map(parseCpus),
      kernels: parseKernels(values.kernel ?? (quick ? 'newest' : 'both')),
      minutes: parseCount('minutes', values.minutes ?? '25', 1, 10_000),
      whole: values.whole,
      words,
      scratch,
      verbose: values.verbose,
    })
    console.log(reportText(results))
    if (values.write) writeDocument(results)
  }
}

function parseKernels(text: string): (keyof typeof kernelSuites)[] {
  const choice = parseChoice('kernel', text, ['newest', 'oldest', 'both'])
  return choice === 'both' ? ['newest', 'oldest'] : [choice]
}

function parseCpus(text: string): number {
  return parseCount('cpus', text, 1, 255)
}
