import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { QemuMachine } from '../../src/machine/qemu-machine.ts'
import { Snapshot } from '../../src/machine/snapshot.ts'
import {
  bootMachine,
  type GuestKind,
  newest,
  oldest,
  restoreMachine,
  sh,
} from '../support/vm-machine.ts'

/** Either way in which QEMU saves: through a shell, or by itself; and devices whose state it asks the server for. */
const kinds: readonly [string, GuestKind][] = [
  ['the oldest QEMU and kernel', oldest],
  ['the newest QEMU and kernel', { ...newest, transport: 'tcp' }],
  ['the newest QEMU and kernel, over virtio-fs', { ...newest, transport: 'virtiofs' }],
]

/** Has files open, and reads on in the one whose descriptor it is told. */
const holder = `mkfifo /tmp/ask /tmp/told
(
  exec 5</share/open 6</share/changes
  read -r line <&5
  read -r line <&6
  while read -r fd </tmp/ask; do
    cat <&$fd >/tmp/out 2>&1
    echo $? >/tmp/told
  done
) </dev/null >/dev/null 2>&1 &
(while :; do echo $((i = i + 1)) >/tmp/next; mv /tmp/next /tmp/count; sleep 0.05; done) </dev/null >/dev/null 2>&1 &
(while :; do cat /share/large /share/large >/dev/null; sleep 0.02; done) </dev/null >/dev/null 2>&1 &
until [ -s /tmp/count ]; do sleep 0.1; done
`

/** How long a command may take, in milliseconds, until it is said where its guest stands. */
const PATIENCE = 100_000

async function out(machine: QemuMachine, script: string): Promise<string> {
  const late = setTimeout(() => void whereItStands(machine, script), PATIENCE)
  const { status, stdout, stderr } = await sh(machine, script)
  clearTimeout(late)
  expect([status, stderr]).toEqual([0, ''])
  return stdout.trimEnd()
}

/** Prints what may explain a guest that does not answer. */
async function whereItStands(machine: QemuMachine, script: string): Promise<void> {
  const qmp = await machine.qmp
  const monitor = async (line: string): Promise<unknown> =>
    qmp.execute('human-monitor-command', { 'command-line': line })
  const blocked =
    'echo 9 >/proc/sysrq-trigger; echo w >/proc/sysrq-trigger; echo t >/proc/sysrq-trigger\n'
  machine.tellAgent(blocked)
  await new Promise((resolve) => setTimeout(resolve, 5000))
  const said = [
    await monitor('info usernet'),
    await monitor('info status'),
    machine.console.tail(400),
  ]
  process.stdout.write(`no answer to ${script}\n${said.join('\n')}\n`)
}

/** What the program that has it open reads from descriptor `fd`. */
function readsOn(machine: QemuMachine, fd: number): Promise<string> {
  return out(machine, `echo ${fd} >/tmp/ask; read -r status </tmp/told; echo $status; cat /tmp/out`)
}

async function count(machine: QemuMachine): Promise<number> {
  return Number(await out(machine, 'cat /tmp/count'))
}

/** The program that counts has gone on from where it was, and goes on. */
async function expectCounting(machine: QemuMachine, from: number): Promise<void> {
  const now = await count(machine)
  expect(now).toBeGreaterThanOrEqual(from)
  await vi.waitFor(async () => expect(await count(machine)).toBeGreaterThan(now))
}

/**
 * The guest's clock is right to so many milliseconds.
 *
 * @param late how much it may be late. @param early how much it may be early.
 */
async function expectClock(machine: QemuMachine, late: number, early: number): Promise<void> {
  const before = Date.now()
  const told = Number(await out(machine, 'date +%s%3N'))
  expect(told).toBeGreaterThan(before - late)
  expect(told).toBeLessThan(Date.now() + early)
}

describe.each(kinds)('a machine that is saved, on %s', (_name, kind) => {
  const folder = mkdtempSync(join(tmpdir(), 'lowerdir-test-'))
  const share = join(folder, 'share-of-it')
  let machine: QemuMachine
  let snapshot: Snapshot
  let countThen: number

  beforeAll(async () => {
    rmSync(share, { recursive: true, force: true })
    mkdirSync(share)
    for (const name of ['open', 'changes']) {
      writeFileSync(join(share, name), `first of ${name}\nsecond of ${name}\n`)
    }
    writeFileSync(join(share, 'large'), Buffer.alloc(1 << 20, 'x'))
    const shares = [
      { source: share, target: '/share', readOnly: false, owner: 'host', cache: 'none' },
    ] as const
    writeFileSync(join(folder, 'image'), Buffer.alloc(1 << 20, 'd'))
    const disks = [
      { file: join(folder, 'image'), format: 'raw', readOnly: false },
      { sizeMiB: 64 },
    ] as const
    machine = await bootMachine({ shares, disks }, kind)
    await sh(
      machine,
      'printf saved | dd of=/dev/vda conv=fsync 2>/dev/null; printf too | dd of=/dev/vdb conv=fsync 2>/dev/null',
    )
    for (const [name, content] of [
      ['seen', 'as it was'],
      ['same', 'the same'],
    ] as const) {
      writeFileSync(join(folder, name), content)
      await sh(machine, `cat ${folder}/${name}`)
    }
    await out(machine, holder)
    countThen = await count(machine)
    snapshot = await machine.save(join(folder, 'snapshot'))
  })

  afterAll(async () => {
    await machine?.[Symbol.asyncDispose]()
    rmSync(folder, { recursive: true, force: true })
  })

  it('is this user’s alone', () => {
    const names = readdirSync(snapshot.folder)
    expect(names.toSorted()).toEqual(['disk0', 'disk1', 'initramfs', 'machine.json', 'memory'])
    const modes = names.map((name) => statSync(join(snapshot.folder, name)).mode & 0o777)
    expect(new Set(modes)).toEqual(new Set([0o600]))
  })

  it('goes on itself, with its clock set', async () => {
    await expectCounting(machine, countThen)
    await machine.setClock()
    await expectClock(machine, 50, 50)
  })

  it('goes on in two others at once, each with its own writes, on the same files', async () => {
    writeFileSync(join(share, 'fresh'), 'made since')
    const both = [restoreMachine(snapshot), restoreMachine(snapshot)]
    await using a = await both[0]!
    await using b = await both[1]!
    for (const each of [a, b]) await expectCounting(each, countThen)
    for (const each of [a, b]) {
      await each.setClock()
      await expectClock(each, 50, 50)
      expect(await out(each, 'cat /share/fresh')).toBe('made since')
      // Programs that have not run before the snapshot.
      expect(await out(each, 'printf abc | sha1sum')).toMatch(/^a9993e36/)
    }
    await out(a, 'echo a >/root/only-here')
    expect((await sh(b, 'cat /root/only-here')).status).not.toBe(0)
    const random = 'cat /proc/sys/kernel/random/uuid'
    expect(await out(a, random)).not.toBe(await out(b, random))
    await out(a, 'echo for b >/share/between')
    expect(await out(b, 'cat /share/between')).toBe('for b')
  })

  it('has a clock that becomes right by itself, and stays as the guest sets it', async () => {
    await using again = await restoreMachine(snapshot)
    // A program of the guest's knows how late the clock is: it goes on from what the host has told it once.
    const late = async (): Promise<number> => {
      const before = Date.now()
      return before - Number(await out(again, 'date +%s%3N'))
    }
    await vi.waitFor(async () => expect(await late()).toBeLessThan(50))
    await out(again, 'date -s @1000000000')
    await again.setClock()
    await expectClock(again, 50, 50)
    await out(again, 'date -s @1000000000')
    await expect(async () => again.save('/dev/null/snapshot')).rejects.toThrow('ENOTDIR')
    expect(Number(await out(again, 'date +%s'))).toBeLessThan(1_000_001_000)
  })

  it('has files open where it goes on, and one that has changed is stale and nothing else', async () => {
    appendFileSync(join(share, 'changes'), 'third')
    await using again = await restoreMachine(snapshot)
    expect(await readsOn(again, 5)).toBe('0\nsecond of open')
    expect(await readsOn(again, 6)).toMatch(/^1\n.*Stale file handle$/)
    // Of all these, the one that was saved is the only one that has had them open all the time.
    expect(await readsOn(machine, 6)).toBe('0\nsecond of changes\nthird')
  })

  it('sees files of its root that have changed meanwhile, unless a program has them open', async () => {
    writeFileSync(join(folder, 'seen'), 'this is new')
    await using again = await restoreMachine(snapshot)
    expect(await out(again, `cat ${folder}/seen`)).toBe('this is new')
    expect(await out(again, `cat ${folder}/same`)).toBe('the same')
    writeFileSync(join(folder, 'seen'), 'as it was')
  })

  it('may be saved while commands run; where it goes on, their output is dropped', async () => {
    const script =
      'echo begun; : >/tmp/begun; until [ -e /tmp/go ]; do sleep 0.1; done; echo over >/tmp/over; echo done; exit 7'
    const command = machine.runScript(script, null)
    const said = text(command.stdout)
    await out(machine, 'until [ -e /tmp/begun ]; do sleep 0.1; done')
    const middle = await machine.save(join(folder, 'middle'))
    await using again = await restoreMachine(middle)
    const goOn = ': >/tmp/go; until [ -e /tmp/over ]; do sleep 0.1; done; cat /tmp/over'
    for (const each of [again, machine]) expect(await out(each, goOn)).toBe('over')
    expect(await Promise.all([said, command.exitStatus])).toEqual(['begun\ndone\n', 7])
    // As many at once as before.
    const allBegun = 'until set -- /tmp/at-once-* && [ $# -eq 5 ]; do sleep 0.1; done'
    const many = Array.from({ length: 5 }, (_, i) =>
      out(again, `: >/tmp/at-once-${i}; ${allBegun}; echo ${i}`),
    )
    expect(await Promise.all(many)).toEqual(['0', '1', '2', '3', '4'])
  })

  it('may be saved where it goes on, again and again', async () => {
    let latest = snapshot
    for (let generation = 0; generation < 3; generation++) {
      await using again = await restoreMachine(latest)
      await out(again, `echo ${generation} >>/root/generations`)
      const at = join(folder, `generation${generation}`)
      latest = await again.save(at)
      await expectCounting(again, countThen)
    }
    await using last = await restoreMachine(latest)
    expect(await out(last, 'cat /root/generations')).toBe('0\n1\n2')
    expect(await readsOn(last, 5)).toBe('0\nsecond of open')
  })

  it('has its disks as they were, and what it writes to them is its own', async () => {
    const disks = 'head -c 5 /dev/vda; tail -c 3 /dev/vda; head -c 3 /dev/vdb'
    const write =
      'printf other | dd of=/dev/vda conv=fsync 2>/dev/null; blockdev --flushbufs /dev/vda'
    await out(machine, write)
    expect(await out(machine, disks)).toBe('otherdddtoo')
    await using again = await restoreMachine(snapshot)
    expect(await out(again, disks)).toBe('saveddddtoo')
    await out(again, 'printf third | dd of=/dev/vda conv=fsync 2>/dev/null')
    const later = await again.save(join(folder, 'with-disks'))
    await using third = await restoreMachine(later)
    expect(await out(third, disks)).toBe('thirddddtoo')
    await using still = await restoreMachine(snapshot)
    expect(await out(still, disks)).toBe('saveddddtoo')
    expect(await out(machine, disks)).toBe('otherdddtoo')
  })

  it('ends like any other', async () => {
    const again = await restoreMachine(snapshot)
    await again.powerOff()
    expect((await again.ended).message).toBe('The guest powered off.')
    const { folder: runtime } = again
    await again[Symbol.asyncDispose]()
    expect(existsSync(runtime)).toBe(false)
    expect(existsSync(snapshot.memory)).toBe(true)
  })
})

describe('a snapshot', () => {
  it('is refused if it is not complete', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'lowerdir-test-'))
    await expect(Snapshot.read(folder)).rejects.toThrow(`There is no snapshot in ${folder}.`)
    writeFileSync(join(folder, 'machine.json'), '{"format":0}')
    await expect(Snapshot.read(folder)).rejects.toThrow('made by another version of lowerdir')
    rmSync(folder, { recursive: true })
  })

  it('cannot be made of devices that QEMU cannot save', async () => {
    await using machine = await bootMachine({}, newest)
    const folder = join(tmpdir(), 'lowerdir-test-never-made')
    await expect(machine.save(folder)).rejects.toThrow(
      'QEMU cannot save a 9P device. A machine that is to be saved is booted with the transport virtiofs or tcp.',
    )
    expect(existsSync(folder)).toBe(false)
    expect(await out(machine, 'echo alive')).toBe('alive')
  })

  it('cannot be made of devices for virtio-fs with a QEMU that cannot save them', async () => {
    await using machine = await bootMachine({}, { ...oldest, transport: 'virtiofs' })
    const folder = join(tmpdir(), 'lowerdir-test-never-made')
    await expect(machine.save(folder)).rejects.toThrow(
      /^QEMU 7\.2\S* cannot save a device for virtio-fs, as QEMU 8\.2 can\./,
    )
    expect(existsSync(folder)).toBe(false)
    expect(await out(machine, 'echo alive')).toBe('alive')
  })
})
