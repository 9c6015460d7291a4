import { execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { QemuMachine } from '../../src/machine/qemu-machine.ts'
import { Qmp } from '../../src/machine/qmp.ts'
import { Resources } from '../../src/machine/resources.ts'
import { Cli, processesOf } from '../support/vm-cli.ts'
import { type PrintedDevice, heldBy, printedDevice } from '../support/vm-device.ts'
import { bootMachine, kernelSuites, newest, sh } from '../support/vm-machine.ts'
import { makeTree } from '../support/vm-tree.ts'
import { servingProcesses } from '../../bench/serving-processes.ts'
import { within } from '../support/within.ts'

/**
 * Guests whose files come over vhost-user: the oldest and the newest kernel, at the same time. Each has the
 * devices of its root and of two shares, whose servers this process has started, and a device of one more
 * server that both guests are clients of. The tests build on each other: the last ones end guests and
 * servers.
 */

/** Seconds for a script that does not come to its end, because its guest is ended before. */
const FOR_EVER = 100_000

interface Guest {
  readonly machine: QemuMachine
  /** A monitor of the test's own. */
  readonly monitor: Qmp
  /** What it sees as /in, read-only, and as /out. */
  readonly in: string
  readonly out: string
}

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'lowerdir-test-')))
const served = join(folder, 'served')
const resources = new Resources()
const guests: Guest[] = []
let server: Cli
let device: PrintedDevice
/** What the server held, and what this process's servers had of guests' memory, before the last guest came. */
let heldBefore: ReturnType<typeof heldBy>
let mappedBefore: number

beforeAll(async () => {
  chmodSync(folder, 0o755)
  mkdirSync(served)
  await startServer()
  for (const suite of kernelSuites) {
    heldBefore = heldBy(servingProcesses(server.child.pid!)[0]!)
    mappedBefore = mappings()
    guests.push(await boot(suite))
  }
})

afterAll(async () => {
  await resources[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true })
})

/** How many mappings of guests' memory the servers have that this process has started. */
function mappings(): number {
  return servingProcesses(process.pid).reduce((sum, pid) => sum + heldBy(pid).mappings, 0)
}

async function startServer(): Promise<void> {
  const where = `vhost-user:${join(folder, 'served.sock')},tag=served`
  server = Cli.start(['serve', served, '--listen', where, '--verbose'])
  resources.use(server)
  await server.printed('mount -t 9p')
  device = printedDevice(server.stdout)
}

async function boot(suite: string): Promise<Guest> {
  const place = mkdtempSync(join(folder, `${suite}-`))
  const guest = { in: join(place, 'in'), out: join(place, 'out') }
  mkdirSync(guest.in)
  mkdirSync(guest.out)
  const share = { owner: 'host', cache: 'none' } as const
  const path = join(place, 'monitor')
  const further = [
    // Otherwise a guest's reboot is its end.
    ['-action', 'reboot=reset'],
    ['-qmp', `unix:${path},server=on,wait=off`],
  ]
  const machine = await bootMachine(
    {
      shares: [
        { ...share, source: guest.in, target: '/in', readOnly: true },
        { ...share, source: guest.out, target: '/out', readOnly: false, cache: 'mmap' },
      ],
      qemuArguments: [...device.qemuArguments, ...further.flat()],
    },
    { ...newest, kernel: suite },
  )
  resources.use(machine)
  const socket = connect(path)
  resources.defer(() => socket.destroy())
  const monitor = new Qmp(socket)
  await monitor.negotiate()
  await mount(machine)
  return { ...guest, machine, monitor }
}

async function mount(machine: QemuMachine): Promise<void> {
  const mounted = await sh(machine, device.mountAt('/served'))
  expect(mounted).toEqual({ status: 0, stdout: '', stderr: '' })
}

function guestOf(suite: string): Guest {
  return guests[kernelSuites.indexOf(suite)]!
}

/** Waits for a file that a guest makes. */
async function made(path: string): Promise<void> {
  const there = (): void => expect(existsSync(path)).toBe(true)
  await vi.waitFor(there, { timeout: 120_000, interval: 50 })
}

function hashOf(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex')
}

/** A tree with all that tar(1) knows of its files. */
const archive = (path: string): string =>
  `tar -C ${path} -cf - --sort=name --format=gnu --numeric-owner . | md5sum`

describe.each(kernelSuites)('a guest of vhost-user devices, with Linux of Debian %s', (suite) => {
  it('has one for its root, for each share, and for each other server’s tree', async () => {
    const { machine, out } = guestOf(suite)
    const script = `cat /sys/bus/virtio/drivers/9pnet_virtio/virtio*/mount_tag | tr '\\0' '\\n' | sort
      sed -n 's/ 9p .*trans=virtio.*//p' /proc/mounts | sort
      echo made > /out/made; echo also made > /served/made-${suite}; touch /in/no`
    const { stdout, stderr } = await sh(machine, script)
    const mounts = ['served /served', 'share1 /in', 'share2 /out']
    expect(stdout.trimEnd().split('\n')).toEqual(['root', 'served', 'share1', 'share2', ...mounts])
    expect(stderr).toMatch(/\/in\/no.*Read-only file system/)
    expect(readFileSync(join(out, 'made'), 'utf8')).toBe('made\n')
    expect(readFileSync(join(served, `made-${suite}`), 'utf8')).toBe('also made\n')
  })

  it('carries 100 MB there and back bit for bit, for twenty processes at once', async () => {
    const { machine, in: source, out } = guestOf(suite)
    const names = Array.from({ length: 20 }, (_, i) => `random-${i}`)
    for (const name of names) writeFileSync(join(source, name), randomBytes(5_000_011))
    // Requests that are pages, parts of pages, and more than goes into one message.
    const script = `set -- 4096 100000 7777 1048576 512000
      for i in $(seq 0 19); do
        dd if=/in/random-$i of=/out/random-$i bs=$1 status=none &
        set -- $2 $3 $4 $5 $1
      done
      wait`
    expect(await sh(machine, script)).toEqual({ status: 0, stdout: '', stderr: '' })
    expect(names.map((name) => hashOf(join(out, name)))).toEqual(
      names.map((name) => hashOf(join(source, name))),
    )
  })

  it('sees a tree as it is, and makes one like it', async () => {
    const { machine, in: source, out } = guestOf(suite)
    makeTree(join(source, 'tree'), 1234, [0o644, 0o600, 0o755, 0o444, 0o4755])
    const hash = (command: string): string =>
      execFileSync('sh', ['-c', command], { encoding: 'utf8' })
    const script = `${archive('/in/tree')}
      mkdir /out/tree && tar -C /in/tree -cf - . | tar -C /out/tree -xf -`
    const original = hash(archive(join(source, 'tree')))
    expect(await sh(machine, script)).toEqual({ status: 0, stdout: original, stderr: '' })
    expect(hash(archive(join(out, 'tree')))).toBe(original)
  })

  it('works on when it has been paused, wherever it was', async () => {
    const { machine, monitor } = guestOf(suite)
    const work = sh(
      machine,
      `mkdir /out/paused && cd /out/paused
      worker() {
        for i in $(seq 4); do
          dd if=/in/random-$1 of=$1-$i bs=65536 count=8 status=none
          cmp -n 524288 /in/random-$1 $1-$i && mv $1-$i moved-$1-$i && ls >/dev/null
        done
      }
      for w in 1 2 3; do worker $w & done
      wait; ls | grep -c moved`,
    )
    const over = work.then(() => false)
    let pauses = 0
    while (await Promise.race([over, sleep(50 + 37 * (pauses % 7), true)])) {
      await monitor.execute('stop')
      await sleep(100)
      await monitor.execute('cont')
      pauses++
    }
    expect(pauses).toBeGreaterThan(5)
    expect(await work).toEqual({ status: 0, stdout: '12\n', stderr: '' })
  })
})

describe('guests of one server', () => {
  /** A process of the guest that has a lock until a file is made. */
  function hold({ machine }: Guest, name: string): Promise<unknown> {
    const script = `touch /served/${name}-held; until test -e /served/${name}-go; do sleep 0.1; done`
    return sh(machine, `flock /served/${name} sh -c '${script}'`, FOR_EVER)
  }

  it.each([
    ['is not paused', 'never'],
    ['is paused meanwhile', 'before'],
    ['is paused when the lock becomes free', 'meanwhile'],
  ] as const)('wait for each other’s locks: the one that waits %s', async (_what, pause) => {
    const [first, second] = guests as [Guest, Guest]
    const name = `lock-${pause}`
    const holder = hold(first, name)
    await made(join(served, `${name}-held`))
    expect(await sh(second.machine, `flock --nonblock /served/${name} true`)).toMatchObject({
      status: 1,
    })
    const waiter = sh(
      second.machine,
      `flock /served/${name} touch /served/${name}-got & pid=$!
      until grep -q p9 /proc/$pid/wchan; do sleep 0.1; done
      touch /served/${name}-waits; wait $pid`,
    )
    await made(join(served, `${name}-waits`))
    if (pause !== 'never') await second.monitor.execute('stop')
    if (pause === 'before') await second.monitor.execute('cont')
    writeFileSync(join(served, `${name}-go`), '')
    expect(await holder).toMatchObject({ status: 0 })
    if (pause === 'meanwhile') {
      // The server has given the lock to the guest that is paused: the other one does not get it any more.
      const given = `until ! flock --nonblock /served/${name} true; do sleep 0.1; done`
      await sh(first.machine, given)
      await second.monitor.execute('cont')
    }
    expect(await waiter).toEqual({ status: 0, stdout: '', stderr: '' })
    expect(existsSync(join(served, `${name}-got`))).toBe(true)
  })

  it.each(kernelSuites)(
    'that reboots in the middle of its work begins anew, with Linux of Debian %s',
    async (suite) => {
      const guest = guestOf(suite)
      const other = guests.find((each) => each !== guest)!
      const { machine, monitor, out } = guest
      hold(guest, `reboot-${suite}`).catch(() => {})
      await made(join(served, `reboot-${suite}-held`))
      const work = `while :; do cat /in/random-* > /served/${suite}; done`
      sh(machine, work, FOR_EVER).catch(() => {})
      await made(join(served, suite))
      await monitor.execute('system_reset')
      await answers(machine)
      // What it had is everybody's again.
      const lock = `flock --nonblock /served/reboot-${suite} true`
      expect(await sh(other.machine, lock)).toMatchObject({ status: 0 })
      await mount(machine)
      const script =
        'cat /in/random-3 | tee /out/again > /served/again; cmp /out/again /in/random-3'
      expect(await sh(machine, script)).toEqual({ status: 0, stdout: '', stderr: '' })
      const hash = hashOf(join(guest.in, 'random-3'))
      expect([join(out, 'again'), join(served, 'again')].map(hashOf)).toEqual([hash, hash])
    },
  )

  it('go on when one’s QEMU is killed, and nothing of it is left', async () => {
    const [first, second] = guests as [Guest, Guest]
    hold(second, 'killed').catch(() => {})
    await made(join(served, 'killed-held'))
    const [qemu] = processesOf(second.machine.folder)
    process.kill(qemu!, 'SIGKILL')
    expect((await second.machine.ended).message).toBe('QEMU was ended by SIGKILL.')
    const script = 'flock /served/killed true && cat /in/random-1 > /served/works'
    expect(await sh(first.machine, script)).toEqual({ status: 0, stdout: '', stderr: '' })
    await vi.waitFor(() =>
      expect(heldBy(servingProcesses(server.child.pid!)[0]!)).toEqual(heldBefore),
    )
    await second.machine[Symbol.asyncDispose]()
    expect(mappings()).toBe(mappedBefore)
  })

  it('go on without one that is killed, and another takes its place', async () => {
    const [first] = guests as [Guest]
    server.child.kill('SIGKILL')
    await server.ended
    const script = 'cat /in/random-2 > /out/after && cmp /in/random-2 /out/after'
    expect(await sh(first.machine, script)).toEqual({ status: 0, stdout: '', stderr: '' })
    expect(await first.monitor.execute('query-status')).toMatchObject({ status: 'running' })
    await startServer()
    const next = await boot(newest.kernel)
    guests.push(next)
    expect(
      await sh(next.machine, `cmp /served/works /served/works && cat /served/made-sid`),
    ).toEqual({ status: 0, stdout: 'also made\n', stderr: '' })
  })

  it('end with the reason when a serving process ends', async () => {
    const { machine } = guests.at(-1)!
    for (const pid of servingProcesses(process.pid)) process.kill(pid, 'SIGKILL')
    const reason = await within(60, 'the guest ends', machine.ended)
    expect(reason.message).toMatch(
      /^The server of \S+ \(process \d+\) has ended by itself, by SIGKILL\.$/,
    )
    // How the servers have ended is all that there is to say, again.
    await Promise.allSettled(guests.map((guest) => guest.machine[Symbol.asyncDispose]()))
  })
})

/** Waits for a guest that reboots: what it is told until it listens again is lost, so it is asked again and again. */
async function answers(machine: QemuMachine): Promise<void> {
  const asked: Promise<boolean>[] = []
  for (;;) {
    asked.push(askedForAnswer(machine))
    if (await Promise.race([...asked, sleep(2000, false)])) return
  }
}

async function askedForAnswer(machine: QemuMachine): Promise<boolean> {
  const { exitStatus } = machine.run({ argv: ['/bin/true'], env: {}, cwd: '/', stdin: null })
  return (await exitStatus) === 0
}
