import { mkdtempSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import type { Readable } from 'node:stream'
import { type Accelerator, chooseAccelerator } from '../../src/machine/accelerator.ts'
import { QemuMachine } from '../../src/machine/qemu-machine.ts'
import { findRoot } from '../../src/machine/find.ts'
import { planMachine } from '../../src/machine/plan.ts'
import { sharedMemory } from '../../src/machine/devices/vhost-user.ts'
import { Resources } from '../../src/machine/resources.ts'
import type { Parts } from '../../src/provision/inventory.ts'
import type { Peer, PeerWorld, StartedPeer } from './peer.ts'

/** The guest's memory in MiB; servers over vhost-user map all of it. */
export const MEMORY_MIB = 1024

/** How long an emulated guest with all these devices may take to boot, in milliseconds. */
const BOOT_TIMEOUT = 300_000

/** A guest with a device for each peer. */
export interface BenchGuest extends AsyncDisposable {
  readonly peers: readonly { readonly peer: Peer; readonly started: StartedPeer }[]
  /** The pid of QEMU. */
  readonly pid: number
  /**
   * Runs a script in the guest's bash.
   *
   * @param timeout in milliseconds.
   * @param onLine gets each line of its output at once.
   * @returns the output of the script.
   * @throws Error with the script's standard error when it fails, or takes longer than `timeout`.
   */
  run(script: string, timeout: number, onLine?: (line: string) => void): Promise<string>
}

/** Options of {@link bootGuest}. */
export interface BenchGuestOptions extends Omit<PeerWorld, 'resources'> {
  readonly parts: Parts
  readonly cpus: number
  readonly peers: readonly Peer[]
  readonly log: (line: string) => void
}

/** The accelerator of all guests on this machine. */
export function accelerator(): Accelerator {
  return chooseAccelerator('auto').accelerator
}

/** Starts the servers of all peers and boots one guest with a device for each. */
export async function bootGuest(options: BenchGuestOptions): Promise<BenchGuest> {
  const resources = new Resources()
  try {
    return await boot(options, resources)
  } catch (error) {
    await resources[Symbol.asyncDispose]()
    throw error
  }
}

async function boot(options: BenchGuestOptions, resources: Resources): Promise<BenchGuest> {
  const { parts, cpus, log } = options
  const world = { ...options, resources }
  const folder = mkdtempSync(join(options.folder, 'guest-'))
  const peers: { readonly peer: Peer; readonly started: StartedPeer }[] = []
  for (const peer of options.peers) {
    peers.push({ peer, started: await peer.start({ ...world, folder }) })
  }
  const pidFile = join(folder, 'qemu.pid')
  const { qemu, kernel, busybox } = parts
  const memory = sharedMemory(`${MEMORY_MIB}M`)
  const plan = planMachine(
    {
      name: 'bench',
      init: 'none',
      userNetwork: false,
      screen: false,
      terminal: false,
      rootOwner: 'host',
      memory: MEMORY_MIB,
      cpus,
      qemuArguments: [
        '-object',
        memory.object,
        // QEMU adds it to the -machine that is there already.
        '-machine',
        memory.machine,
        // Versions before 8 name no threads otherwise; see qemuTime.
        '-name',
        'bench,debug-threads=on',
        '-pidfile',
        pidFile,
        ...peers.flatMap(({ started }) => started.qemuArguments),
      ],
    },
    {
      arch: process.arch === 'arm64' ? 'arm64' : 'x64',
      cwd: process.cwd(),
      accelerator: chooseAccelerator('auto'),
      qemu,
      kernel,
      busybox: busybox.path,
      transport: {
        transport: 'tcp',
        reason: 'what is not measured stays out of the way of what is',
      },
      root: findRoot('/', kernel),
      uid: process.getuid?.() ?? 0,
      besideRoot: [],
    },
  )
  const machine = resources.use(
    await QemuMachine.boot(plan, {
      keep: false,
      bootTimeout: BOOT_TIMEOUT,
      signal: new AbortController().signal,
      onPhase: () => {},
      onConsoleLine: (line) => log(`| ${line}`),
      log,
    }),
  )
  const guest: BenchGuest = {
    peers,
    pid: Number(readFileSync(pidFile, 'utf8')),
    run: (script, timeout, onLine) => run(machine, script, timeout, onLine),
    [Symbol.asyncDispose]: () => resources[Symbol.asyncDispose](),
  }
  for (const { started } of peers) {
    if (started.prepare !== '') await guest.run(started.prepare, BOOT_TIMEOUT)
  }
  return guest
}

async function run(
  machine: QemuMachine,
  script: string,
  timeout: number,
  onLine: (line: string) => void = () => {},
): Promise<string> {
  const command = machine.run({
    argv: ['/bin/bash', '-c', script],
    env: {
      PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      HOME: '/root',
      LC_ALL: 'C',
    },
    cwd: '/',
    stdin: null,
  })
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    const complaint = new Error(`not done after ${timeout / 1000} seconds`)
    timer = setTimeout(() => reject(complaint), timeout)
  })
  try {
    const [stdout, stderr, status] = await Promise.race([
      Promise.all([lines(command.stdout, onLine), text(command.stderr), command.exitStatus]),
      late,
    ])
    if (status !== 0) throw new Error(stderr.trim() || `ended with ${status}`)
    return stdout
  } finally {
    clearTimeout(timer)
    command.stdout.destroy()
    command.stderr.destroy()
  }
}

async function lines(stream: Readable, onLine: (line: string) => void): Promise<string> {
  let whole = ''
  let heard = 0
  for await (const chunk of stream.setEncoding('utf8')) {
    whole += chunk as string
    for (let end = whole.indexOf('\n', heard); end >= 0; end = whole.indexOf('\n', heard)) {
      onLine(whole.slice(heard, end))
      heard = end + 1
    }
  }
  return whole
}
