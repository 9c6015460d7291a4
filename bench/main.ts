import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { constants, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { Client } from './client.ts'
import type { Load } from './load.ts'
import { FIDS, addNames, memoryPerFid } from './memory.ts'
import { provideDiod } from './diod.ts'
import { fillFolder } from './folder.ts'
import { ProvisionError } from '../src/provision/failure.ts'
import { describeMachine, version } from './machine.ts'
import { place } from './placement.ts'
import { heading, line } from './report.ts'
import { type Server, startDiod, startLowerdir } from './servers.ts'
import { workloads } from './workloads.ts'

const usage = `Measures lowerdir and diod over a unix socket, on the same folder and in turns.

npm run bench -- [--quick] [--profile FOLDER] [WORD ...]

  --quick            shorter: shows what is far off, not what is a little off
  --profile FOLDER   writes .cpuprofile files of lowerdir's server there
  WORD ...           only workloads that have one of the words in their name:
                     ${workloads.map(({ name }) => name).join(', ')}, memory`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    profile: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
})
const rounds = values.quick ? 5 : 15
const milliseconds = values.quick ? 150 : 300

try {
  if (values.help) console.log(usage)
  else await bench()
} catch (error) {
  // Its message is all that a person needs.
  if (!(error instanceof ProvisionError)) throw error
  console.error(error.message)
  process.exitCode = 1
}

async function bench(): Promise<void> {
  const fetched = await provideDiod((text) => console.log(text))
  const scratch = mkdtempSync(join(tmpdir(), 'lowerdir-bench-'))
  // A server that is starting or ending may touch its socket's file meanwhile.
  const removal = { recursive: true, force: true, maxRetries: 5 }
  process.once('exit', () => rmSync(scratch, removal))
  // The other processes belong to our group, so that the signal has reached them, too.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => process.exit(128 + constants.signals[signal]))
  }

  const folder = join(scratch, 'served')
  mkdirSync(folder)
  await fillFolder(folder)
  const { profile } = values
  const nodeOptions = profile ? ['--cpu-prof', `--cpu-prof-dir=${resolve(profile)}`] : []
  await using ours = await startLowerdir(folder, join(scratch, 'lowerdir.sock'), nodeOptions)
  await using theirs = await startDiod(fetched, folder, join(scratch, 'diod.sock'))
  using client = new Client()

  console.log(`lowerdir ${version('package.json')} and diod ${fetched.version}`)
  console.log(describeMachine())
  console.log(`medians of ${rounds} rounds; with 1 in flight all processes share one processor\n`)
  console.log(heading)
  for (const { name, unit, inFlight } of workloads) {
    if (positionals.length > 0 && !positionals.some((word) => name.includes(word))) continue
    for (const lanes of inFlight) {
      place([client.pid, ours.pid, theirs.pid], lanes === 1)
      const loads = { lowerdir: [] as Load[], diod: [] as Load[] }
      const request = { folder, workload: name, inFlight: lanes, milliseconds }
      for (let round = 0; round <= rounds; round++) {
        const lowerdir = await client.measure({ ...request, ...at(ours) })
        const diod = await client.measure({ ...request, ...at(theirs) })
        // The first one is for compilers and caches.
        if (round === 0) continue
        loads.lowerdir.push(lowerdir)
        loads.diod.push(diod)
      }
      console.log(line(name, unit, lanes, loads))
    }
  }
  if (positionals.length === 0 || positionals.some((word) => 'memory'.includes(word))) {
    addNames(folder)
    console.log(`\n${FIDS} fids of as many files, bytes of memory for each`)
    for (const server of [ours, theirs]) {
      console.log(
        `${server.name.padEnd(33)}${memoryPerFid(server, folder).toFixed(0).padStart(15)}`,
      )
    }
  }
}

function at({ socket, pid }: Server): Pick<Server, 'socket' | 'pid'> {
  return { socket, pid }
}
