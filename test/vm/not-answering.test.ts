import { readFileSync, readdirSync } from 'node:fs'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { examine } from '../../src/driver/failed-test.ts'
import { Machine, guestOf } from '../../src/driver/machine.ts'
import type { NodeTestContext } from '../../src/driver/node-test-context.ts'
import { snapshotOf } from '../../src/driver/snapshot-of.ts'
import type { WaitOptions } from '../../src/driver/waits/wait.ts'
import { temporaryDirectory } from '../support/temporary.ts'
import { restoreTested, restoredOptions } from '../support/vm-boot.ts'
import { within } from '../support/within.ts'

/** Seconds that a wait with a timeout of one second may take: the grace period of an emulated guest, on a busy machine. */
const ENDS = 120

let vm: Machine
let pid: number

beforeAll(async () => {
  vm = await restoreTested()
  pid = pidOf(vm)
})

afterAll(() => vm[Symbol.asyncDispose]())

/** The process of a machine's QEMU: its command line has the machine's folder. */
function pidOf(machine: Machine): number {
  const { folder } = guestOf(machine).qemu
  const pids = readdirSync('/proc').filter((name) => {
    if (!/^\d+$/.test(name)) return false
    const line = commandLineOf(name)
    return line.includes('-display\0') && line.includes(folder)
  })
  expect(pids).toHaveLength(1)
  return Number(pids[0])
}

function commandLineOf(process: string): string {
  try {
    return readFileSync(`/proc/${process}/cmdline`, 'utf8')
  } catch {
    // It has ended meanwhile.
    return ''
  }
}

/** Every public wait, with options that bound it. */
const waits: Readonly<Record<string, (bounds: WaitOptions) => PromiseLike<unknown>>> = {
  exec: (bounds) => vm.exec('true', bounds),
  succeed: (bounds) => vm.succeed('true', bounds),
  fail: (bounds) => vm.fail('false', bounds),
  waitUntilSucceeds: (bounds) => vm.waitUntilSucceeds('true', bounds),
  waitUntilFails: (bounds) => vm.waitUntilFails('false', bounds),
  waitForFile: (bounds) => vm.waitForFile('/', bounds),
  waitForOpenPort: (bounds) => vm.waitForOpenPort(1, bounds),
  waitForClosedPort: (bounds) => vm.waitForClosedPort(1, bounds),
  waitForOpenUnixSocket: (bounds) => vm.waitForOpenUnixSocket('/x', bounds),
  waitForUnit: (bounds) => vm.waitForUnit('x', bounds),
  systemctl: (bounds) => vm.systemctl('status', bounds),
  getUnitInfo: (bounds) => vm.getUnitInfo('x', bounds),
  getUnitProperty: (bounds) => vm.getUnitProperty('x', 'Id', bounds),
  requireUnitState: (bounds) => vm.requireUnitState('x', 'active', bounds),
  startUnit: (bounds) => vm.startUnit('x', bounds),
  stopUnit: (bounds) => vm.stopUnit('x', bounds),
  journal: (bounds) => vm.journal(bounds),
  sleep: (bounds) => vm.sleep(0, bounds),
  waitForConsoleText: (bounds) => vm.waitForConsoleText('never printed', bounds),
  screenshot: (bounds) => vm.screenshot(undefined, bounds),
  getScreenText: (bounds) => vm.getScreenText(bounds),
  getScreenTextVariants: (bounds) => vm.getScreenTextVariants(bounds),
  waitForText: (bounds) => vm.waitForText('x', bounds),
  sendKey: (bounds) => vm.sendKey('ret', bounds),
  sendChars: (bounds) => vm.sendChars('x', bounds),
  getTtyText: (bounds) => vm.getTtyText(1, bounds),
  waitUntilTtyMatches: (bounds) => vm.waitUntilTtyMatches(1, 'x', bounds),
  waitForX: (bounds) => vm.waitForX(bounds),
  getWindowNames: (bounds) => vm.getWindowNames(bounds),
  waitForWindow: (bounds) => vm.waitForWindow('x', bounds),
  qmp: (bounds) => vm.qmp('query-status', {}, bounds),
  hmp: (bounds) => vm.hmp('info status', bounds),
  waitForQmpEvent: (bounds) => vm.waitForQmpEvent(() => false, bounds),
  forwardPort: (bounds) => vm.forwardPort(1, 1, bounds),
  copyFromHost: (bounds) => vm.copyFromHost(import.meta.filename, '/tmp/x', bounds),
  copyToHost: (bounds) => vm.copyToHost('/etc/hostname', temporaryDirectory(), bounds),
  readFile: (bounds) => vm.readFile('/etc/hostname', 'utf8', bounds),
  writeFile: (bounds) => vm.writeFile('/tmp/x', '', bounds),
  changes: (bounds) => vm.changes(bounds),
  shutdown: (bounds) => vm.shutdown(bounds),
  reboot: (bounds) => vm.reboot(bounds),
  waitForShutdown: (bounds) => vm.waitForShutdown(bounds),
  setClock: (bounds) => vm.setClock(bounds),
  snapshot: (bounds) => vm.snapshot(undefined, bounds),
}

/** What is no row of the table, and why. */
const others: Readonly<Record<string, string>> = {
  step: 'waits for a function of the test’s own',
  shellInteract: 'takes a terminal and its person; the machine’s end ends it',
  consoleInteract: 'takes a terminal and its person, who can leave it',
  crash: 'kills QEMU, which needs no answer',
  fork: 'is a snapshot, which is a row, and a start',
  restore: 'is a start, whose timeout covers all of it',
}

it('all public waits are in the table, by the types of the methods', () => {
  const report = readFileSync(new URL('../../docs/api-report/lowerdir.md', import.meta.url), 'utf8')
  const machine = report.split('declare class Machine ')[1]?.split('\n}\n')[0] ?? ''
  const flat = machine.replaceAll(/\{[^{}]*\}/g, '')
  const methods = flat.matchAll(/^ {4}(?:static )?(\w+)(?:<\w+>)?\(.*\): (?:Promise|Command)\b/gm)
  const names = new Set([...methods].map(([, name = '']) => name))
  expect(names).toEqual(new Set([...Object.keys(waits), ...Object.keys(others)]))
})

/** Starts a command and resolves once it runs in the guest. @returns its end, in an object that does not wait for it. */
async function runningCommand(signal: AbortSignal): Promise<{ readonly end: Promise<unknown> }> {
  const command = vm.exec('echo started; exec sleep 1000', { signal })
  expect(await command.lines().next()).toEqual({ done: false, value: 'started' })
  return { end: Promise.resolve(command) }
}

it('a guest whose QEMU was stopped for a while counts as answering again', async () => {
  const abort = new AbortController()
  const command = await runningCommand(abort.signal)
  process.kill(pid, 'SIGSTOP')
  abort.abort(new Error('enough'))
  await expect(within(ENDS, 'the command ends', command.end)).rejects.toThrow('enough')
  expect(vm.isAnswering).toBe(false)
  process.kill(pid, 'SIGCONT')
  await expect.poll(() => vm.isAnswering).toBe(true)
  expect(await vm.succeed('echo back')).toBe('back\n')
})

it('each wait ends with its timeout, and with its signal, while QEMU is stopped', async () => {
  const reason = new Error('enough')
  const abort = new AbortController()
  // Each wait finds a shell in the guest that takes its command. Otherwise the command could just be taken back.
  await Promise.all(Array.from({ length: 2 * Object.keys(waits).length }, () => vm.succeed(':')))
  const command = await runningCommand(abort.signal)
  process.kill(pid, 'SIGSTOP')
  const ends = Object.entries(waits).flatMap(([name, wait]) =>
    [{ timeout: 1 }, { signal: abort.signal }].map(async (bounds) => {
      const [how] = Object.keys(bounds)
      const end = (async () => wait(bounds))()
      return within(ENDS, `${name} ends with its ${how}`, end).then(
        () => `${name}, ${how}: it resolved`,
        (error: unknown) => `${name}, ${how}: ${error === reason ? 'aborted' : String(error)}`,
      )
    }),
  )
  abort.abort(reason)
  await expect(within(ENDS, 'the command ends', command.end)).rejects.toBe(reason)
  const outcomes = await Promise.all(ends)
  const wrong = outcomes.filter(
    (outcome) => !/, signal: aborted$|, timeout: .*(?:1|15) seconds/s.test(outcome),
  )
  expect(wrong).toEqual([])
  expect(vm.isAnswering).toBe(false)
})

it('the evidence of a failed test is not waited for', async () => {
  const test = { name: 'a test', message: 'it has failed' }
  await within(ENDS, 'the machine is examined', examine(guestOf(vm), test))
})

it('all waits end with the machine, which ends although QEMU is stopped', async () => {
  const pending = [
    vm.exec('true', { timeout: Infinity }),
    vm.readFile('/etc/hostname', 'utf8', { timeout: Infinity }),
    vm.waitForQmpEvent(() => false),
    vm.qmp('query-status', {}, { timeout: Infinity }),
    vm.changes({ timeout: Infinity }),
  ].map((wait) => Promise.resolve(wait).then(String, String))
  await within(ENDS, 'the machine ends', vm[Symbol.asyncDispose]())
  for (const end of pending) expect(await within(ENDS, 'a wait ends', end)).toMatch(/Error/)
  expect(commandLineOf(String(pid))).toBe('')
})

it('the end of a test, and a signal of its own, end a machine whose QEMU is stopped', async () => {
  const hooks: (() => Promise<void>)[] = []
  const test: NodeTestContext = {
    name: 'a test that was late',
    fullName: 'a test that was late',
    signal: new AbortController().signal,
    passed: false,
    error: new Error('late'),
    after: (hook) => void hooks.push(hook),
    afterEach: () => {},
  }
  const snapshot = await snapshotOf(restoredOptions)
  const abort = new AbortController()
  const machines = await Promise.all([
    Machine.restore(snapshot, { test, artifacts: temporaryDirectory() }),
    Machine.restore(snapshot, { signal: abort.signal }),
  ])
  for (const machine of machines) process.kill(pidOf(machine), 'SIGSTOP')
  const pending = machines.map((machine) =>
    Promise.resolve(machine.exec('true')).then(String, String),
  )
  abort.abort(new Error('enough'))
  await within(ENDS, 'the test ends', Promise.all(hooks.map((hook) => hook())))
  for (const { ended } of machines) await within(ENDS, 'the machine ends', ended)
  for (const end of pending) expect(await within(ENDS, 'a wait ends', end)).toMatch(/Error/)
  await machines[1]?.[Symbol.asyncDispose]()
})
