import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Machine } from '../../src/driver/machine.ts'
import { debianRoot } from '../support/debian-root.ts'
import { inVain } from '../support/in-vain.ts'
import { bootTested } from '../support/vm-boot.ts'
import { newest, vmQemu } from '../support/vm-machine.ts'

/** Units that behave as units do. */
const UNITS: Readonly<Record<string, string>> = {
  'steady.service': `[Unit]
Description=a = b; "c"
[Service]
Environment="A=x y" B=1
ExecStart=/bin/sleep 100000`,
  'slow.service': `[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c 'until test -e /tmp/go; do sleep 0.1; done'
ExecStart=/bin/true`,
  'broken.service': `[Service]
Type=oneshot
ExecStart=/bin/sh -c 'echo the reason is this; exit 3'`,
  'endless.service': `[Service]
Type=oneshot
ExecStart=/bin/sleep 100000`,
  'conditional.service': `[Unit]
ConditionPathExists=/nowhere
[Service]
ExecStart=/bin/sleep 100000`,
}

/** No job of systemd's is given up because its time is over: what does not end by itself stands still, and is seen. */
const NO_TIMEOUT = '[Manager]\nDefaultTimeoutStopSec=infinity\n'

const message = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'it went well',
    (error: unknown) => (error as Error).message,
  )

beforeAll(async () => {
  await vmQemu(newest.qemu)
  for (const suite of ['bookworm', 'trixie']) await debianRoot(suite)
}, 1_200_000)

describe.each([
  ['bookworm', 'tcp'],
  ['trixie', 'virtiofs'],
] as const)('systemd of Debian %s, over %s', (suite, transport) => {
  let vm: Machine

  beforeAll(async () => {
    const { folder: root } = await debianRoot(suite)
    vm = await bootTested({ root, transport, init: 'auto', name: suite })
  })
  afterAll(() => vm?.[Symbol.asyncDispose]())

  const start = (unit: string): Promise<string> => vm.succeed(`systemctl start --no-block ${unit}`)

  it('is process 1, and units can be waited for from its first moment on', async () => {
    expect(vm.init).toBe('systemd')
    await vm.waitForUnit('multi-user.target')
    await vm.requireUnitState('dbus')
    expect(await vm.succeed('cat /proc/1/comm')).toBe('systemd\n')
    const { stdout } = await vm.systemctl('is-system-running --wait')
    expect(stdout).toBe('running\n')
    for (const [name, text] of Object.entries(UNITS)) {
      await vm.writeFile(`/etc/systemd/system/${name}`, `${text}\n`)
    }
    await vm.writeFile('/etc/systemd/system.conf.d/no-timeout.conf', NO_TIMEOUT)
    await vm.succeed('systemctl daemon-reload')
  })

  it('tells when a unit has started', async () => {
    await start('slow')
    expect(await vm.getUnitProperty('slow', 'ActiveState')).toBe('activating')
    const waiting = vm.waitForUnit('slow')
    await vm.succeed('touch /tmp/go')
    await waiting
    await vm.requireUnitState('slow')
    // One that is there is not waited for.
    await vm.waitForUnit('slow.service', { timeout: 60 })
  })

  it('tells that a unit has failed, and why, instead of waiting on', async () => {
    await start('broken')
    const text = await message(vm.waitForUnit('broken'))
    expect(text).toContain(`${suite}: the unit broken: it has failed: exit-code.`)
    expect(text).toContain('the reason is this')
    expect(vm.recorder.events).toContainEqual(
      expect.objectContaining({ kind: 'unit-failed', unit: 'broken.service', result: 'exit-code' }),
    )
  })

  it.each([
    ['steady', 'inactive (dead)'],
    ['nonesuch', 'there is no such unit'],
    ['conditional', 'unmet condition check'],
  ])('gives %s up, which nothing will start', async (unit, reason) => {
    if (unit === 'conditional') await start(unit)
    const waiting = message(vm.waitForUnit(unit))
    expect(await waiting).toContain(`the unit ${unit}: it is inactive (dead)`)
    expect(await waiting).toContain(reason)
    expect(await waiting).toContain('there is nothing that would start it')
  })

  it('is asked no longer than a wait may take', async () => {
    await start('endless')
    await inVain(
      (timeout) => vm.waitForUnit('endless', { timeout }),
      /did not come within \d+ seconds, it is activating \(start\)/,
    )
    const abort = new AbortController()
    const aborted = message(vm.waitForUnit('endless', { signal: abort.signal }))
    abort.abort(new Error('not wanted any more'))
    expect(await aborted).toBe('not wanted any more')
    await vm.stopUnit('endless')
  })

  it('starts and stops units', async () => {
    await vm.startUnit('steady')
    const { MainPID, Description, Environment, Names } = await vm.getUnitInfo('steady')
    expect(await vm.succeed(`cat /proc/${MainPID}/comm`)).toBe('sleep\n')
    expect({ Description, Environment, Names }).toEqual({
      Description: 'a = b; "c"',
      Environment: '"A=x y" B=1',
      Names: 'steady.service',
    })
    await vm.stopUnit('steady')
    await vm.requireUnitState('steady', 'inactive')
    const required = message(vm.requireUnitState('steady'))
    expect(await required).toContain(
      'it is inactive, and was to be active.\n--- systemctl status steady',
    )
    const broken = await message(vm.startUnit('broken'))
    expect(broken).toContain(
      'the unit broken: systemctl start exited with 1: Job for broken.service failed',
    )
    expect(broken).toContain('the reason is this')
    await expect(vm.stopUnit('nonesuch')).rejects.toThrow('Unit nonesuch.service not loaded')
  })

  it('has properties of units', async () => {
    const both = await vm.getUnitProperty('slow', 'ExecStart')
    expect(both.split('\n').map((line) => /path=(\S+)/.exec(line)?.[1])).toEqual([
      '/bin/sh',
      '/bin/true',
    ])
    expect(await vm.getUnitProperty('slow', 'Job')).toBe('')
    await expect(vm.getUnitProperty('slow', 'Nonesuch')).rejects.toThrow(
      'the unit slow has no property Nonesuch',
    )
  })

  it('has a journal', async () => {
    const own = await vm.journal({ unit: 'broken' })
    expect(own).toContain('the reason is this')
    expect(own).not.toContain('steady')
    expect((await vm.journal({ lines: 3 })).trimEnd().split('\n')).toHaveLength(3)
    expect(await vm.journal()).toContain('Linux version')
  })

  it('is there for each user as well', async () => {
    await vm.succeed('useradd --create-home alice')
    const user = 'alice'
    await vm.writeFile(
      '/home/alice/.config/systemd/user/own.service',
      `${UNITS['steady.service']}\n`,
    )
    const waiting = vm.waitForUnit('default.target', { user })
    await vm.succeed('loginctl enable-linger alice')
    await waiting
    await vm.startUnit('own', { user })
    await vm.waitForUnit('own', { user })
    const pid = await vm.getUnitProperty('own', 'MainPID', { user })
    expect(await vm.succeed(`stat -c %U /proc/${pid}`)).toBe('alice\n')
    await vm.requireUnitState('own', 'inactive')
    await expect(vm.waitForUnit('own', { user: 'nobody-at-all' })).rejects.toThrow('unknown user')
  })

  it('powers the machine off, and waits end at once', async () => {
    await start('endless')
    const interrupted = message(vm.waitForUnit('endless'))
    // Processes that cannot be ended would be waited for without end: NO_TIMEOUT.
    await vm.shutdown({ timeout: 200 })
    expect(await interrupted).toMatch(/failed: signal|powered off/)
  })
})
