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
import { benchGuest, guestWorkloads } from './guest/bench-guest.ts'
import { writeDocument } from './guest/document.ts'
import type { kernelSuites } from './guest/prerequisites.ts'
import { reportText } from './guest/guest-report.ts'
import { benchServer, serverWorkloads } from './server/bench-server.ts'

const usage = `Measures lowerdir beside other servers, in turns, and prints ratios.

npm run bench -- [server|device|driver|guest] [OPTION ...] [WORD ...]

  server             the servers alone: requests over a unix socket, lowerdir and diod
  device             what a request leaves behind for the garbage collector, and which functions do
  driver             what a test waits for: machines that boot, and commands in them
  guest              what a guest sees: programs in a VM, whose QEMU has a device for each of
                     lowerdir, QEMU's own virtio-9p, virtiofsd and diod
                     (all of them, without any of these words)

  --quick            shorter: shows what is far off, not what is a little off
  --rounds N         driver, guest: how often everything is measured (default 5 and 3; quick: 2 and 1)
  --cpus N,M         guest: how many virtual processors, a boot for each (default 1,2; quick: 1)
  --kernel NAME      guest: newest or oldest of Debian's kernels, or both, which is with the oldest one only cache=none
                     and one virtual processor (default both; quick: newest)
  --minutes N        guest: leave out rounds that would end later (default 25)
  --whole            guest: all of the tree in every round, not another part of it in each
  --write            guest: put the results into docs/performance.md and its plot
  --verbose          guest: say what QEMU and the guest say
  --profile FILE     server: write a .cpuprofile of lowerdir's server there
  WORD ...           only workloads that have one of the words in their name
                     server: ${serverWorkloads.join(', ')}
                     driver: ${driverWorkloads.join(', ')}
                     guest: ${guestWorkloads.join(', ')}

All that it takes besides git, gcc and make is fetched from Debian's packages.`

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
const allKinds: ReadonlySet<string> = new Set(['server', 'device', 'driver', 'guest'])

try {
  if (values.help) console.log(usage)
  else await bench()
} catch (error) {
  // Its message is all that a person needs.
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
  // A server that is starting or ending may touch its socket's file meanwhile.
  const removal = { recursive: true, force: true, maxRetries: 5 }
  process.once('exit', () => rmSync(scratch, removal))
  // The other processes belong to our group, so that the signal has reached them, too.
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
  if (isWanted('driver', driverWorkloads)) {
    const rounds = roundsOr(quick ? '2' : '5')
    console.log(driverReport(await benchDriver({ rounds, quick, words, scratch })))
  }
  if (isWanted('guest', guestWorkloads)) {
    const results = await benchGuest({
      quick,
      rounds: roundsOr(quick ? '1' : '3'),
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
