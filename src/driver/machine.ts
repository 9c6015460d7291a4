/** The driver is what a test sees of machines: it boots them, runs commands in them and waits for their events. */

import type { Readable } from 'node:stream'
import type { GuestInit } from '../guest/init.ts'
import type { Accelerator } from '../machine/accelerator.ts'
import { USER_NETDEV } from '../machine/devices/nics.ts'
import type { QmpEvent } from '../machine/qmp.ts'
import type { Recorder } from '../record/recorder.ts'
import { shellWord } from '../util/shell.ts'
import { type Changes, type ChangesOptions, changes } from './changes.ts'
import type { Command, ExecResult } from './command.ts'
import type { ExecOptions } from './exec.ts'
import {
  type WriteFileOptions,
  copyFromHost,
  copyToHost,
  readFile,
  writeFile,
} from './guest-files.ts'
import { consoleInteract, shellInteract } from './interact.ts'
import { type KeyOptions, sendChars, sendKey } from './keyboard.ts'
import { type MachineSnapshot, saveSnapshot } from './machine-snapshot.ts'
import { getScreenText, getScreenTextVariants, waitForText } from './ocr.ts'
import { reboot, shutdown, waitForShutdown } from './power.ts'
import { type RestoreOptions, restoreSnapshot } from './restore.ts'
import { RunningGuest } from './running-guest.ts'
import { type UnitOptions, systemctl } from './systemd/systemctl.ts'
import {
  type JournalOptions,
  changeUnit,
  getUnitInfo,
  getUnitProperty,
  journal,
  requireUnitState,
} from './systemd/units.ts'
import { startMachine } from './test-machines.ts'
import type { TransferOptions } from './transfer.ts'
import { getTtyText, waitUntilTtyMatches } from './tty.ts'
import { waitForConsoleText, waitForQmpEvent } from './waits/qemu.ts'
import { repeat, waitForFile, waitForOpenUnixSocket, waitForPort } from './waits/shell.ts'
import { waitForUnit } from './waits/unit.ts'
import { type WaitOptions, bounded } from './waits/wait.ts'
import { type DisplayOptions, getWindowNames, waitForWindow, waitForX } from './windows.ts'

// What {@link Machine} keeps private, set by the class itself.
let make: (guest: RunningGuest) => Machine
let reveal: (machine: Machine) => RunningGuest

/** The machine that tests see, made of a guest. Tests call {@link boot} instead. */
export function machineOf(guest: RunningGuest): Machine {
  return make(guest)
}

/** The guest of a machine, for the parts of the driver that take one. */
export function guestOf(machine: Machine): RunningGuest {
  return reveal(machine)
}

/**
 * A machine under test: a guest that runs, and everything that a test does with it. {@link boot} makes one.
 *
 * Times are in seconds. A method that waits resolves when the event comes. It throws WaitError when its time is over,
 * and MachineError as soon as the machine ends.
 */
// This class only delegates: each method is one call of the file that does the work, with the RunningGuest that all of
// them share.
export class Machine implements AsyncDisposable {
  readonly #guest: RunningGuest

  static {
    make = (guest) => new Machine(guest)
    reveal = (machine) => machine.#guest
  }

  private constructor(guest: RunningGuest) {
    this.#guest = guest
  }

  /** Its name, which is also its host name. */
  get name(): string {
    return this.#guest.name
  }

  /** Its process 1: systemd, or none but a shell. */
  get init(): GuestInit {
    return this.#guest.init
  }

  /** Whether KVM or QEMU's emulation (TCG) runs it. */
  get accelerator(): Accelerator {
    return this.#guest.accelerator
  }

  /** Whether it still runs. */
  get isUp(): boolean {
    return this.#guest.isUp
  }

  /**
   * Whether the guest and QEMU answer. False once a command that was to end did not end, or QEMU's monitor did not reply,
   * and nothing has been heard since. Further commands then fail after a few seconds, whatever their timeout.
   */
  get isAnswering(): boolean {
    return this.#guest.isAnswering
  }

  /** Resolves when the machine has ended, with the reason. */
  get ended(): Promise<Error> {
    return this.#guest.ended
  }

  /** The record of everything that has happened to it. */
  get recorder(): Recorder {
    return this.#guest.recorder
  }

  /** The absolute path of its folder of artifacts; undefined where none is kept. */
  get artifacts(): string | undefined {
    return this.#guest.artifacts
  }

  /** QEMU's command line, quoted for a shell. */
  get commandLine(): string {
    return this.#guest.qemu.command.map(shellWord).join(' ')
  }

  /**
   * Runs a command. The guest's /bin/sh runs a string; a list is a program and its arguments. Many commands may run at
   * once. The promise resolves with how the command ended, also when it exits with another code than 0.
   *
   * ```ts
   * const { exitCode, stdout } = await vm.exec('ls /srv', { user: 'www-data', timeout: 10 })
   * for await (const line of vm.exec(['journalctl', '-f']).lines()) console.log(line)
   * ```
   *
   * @throws CommandError when it takes longer than `timeout` or writes more than `maxOutput`; the reason of `signal` when
   *   that is aborted; MachineError when the machine ends first. The command and all its children are killed then.
   */
  exec(
    command: string | readonly string[],
    options: ExecOptions & { readonly encoding: 'buffer' },
  ): Command<Buffer>
  exec(command: string | readonly string[], options?: ExecOptions): Command
  exec(command: string | readonly string[], options?: ExecOptions): Command<string | Buffer> {
    return this.#guest.exec(command, options)
  }

  /**
   * Runs a command that has to succeed, and resolves with its standard output.
   *
   * ```ts
   * expect(await vm.succeed('cat /etc/hostname')).toBe('machine\n')
   * ```
   *
   * @throws CommandError when it exits with another code than 0. The message has its output and the end of the console.
   */
  succeed(command: string | readonly string[], options: ExecOptions = {}): Promise<string> {
    return this.#guest.succeed(command, options)
  }

  /**
   * Runs a command that has to fail, and resolves with its standard output.
   *
   * ```ts
   * await vm.fail('ping -c 1 10.1.2.3')
   * ```
   *
   * @throws CommandError when it exits with 0.
   */
  fail(command: string | readonly string[], options: ExecOptions = {}): Promise<string> {
    return this.#guest.fail(command, options)
  }

  /**
   * Runs a command again and again until it exits with 0; resolves with its standard output.
   *
   * ```ts
   * await vm.waitUntilSucceeds('curl -sf localhost/health', { timeout: 30 })
   * ```
   */
  waitUntilSucceeds(command: string, options: WaitOptions = {}): Promise<string> {
    return repeat(this.#guest, command, 'succeed', options)
  }

  /**
   * Runs a command again and again until it exits with another code than 0; resolves with its standard output.
   *
   * ```ts
   * await vm.waitUntilFails('pgrep backup')
   * ```
   */
  waitUntilFails(command: string, options: WaitOptions = {}): Promise<string> {
    return repeat(this.#guest, command, 'fail', options)
  }

  /**
   * Waits until a path exists: a file, a directory or any other type.
   *
   * ```ts
   * await vm.waitForFile('/run/app.pid')
   * ```
   */
  waitForFile(path: string, options: WaitOptions = {}): Promise<void> {
    return waitForFile(this.#guest, path, options)
  }

  /**
   * Waits until a process listens on a TCP port. For `localhost` the guest's kernel is asked and no connection is made;
   * another address is connected to.
   *
   * ```ts
   * await vm.waitForOpenPort(5432)
   * await client.waitForOpenPort(80, { address: 'server' })
   * ```
   */
  waitForOpenPort(port: number, options: WaitOptions & PortOptions = {}): Promise<void> {
    return waitForPort(this.#guest, port, options.address ?? 'localhost', true, options)
  }

  /**
   * Waits until no process listens on a TCP port.
   *
   * ```ts
   * await vm.waitForClosedPort(5432)
   * ```
   */
  waitForClosedPort(port: number, options: WaitOptions & PortOptions = {}): Promise<void> {
    return waitForPort(this.#guest, port, options.address ?? 'localhost', false, options)
  }

  /**
   * Waits until a process listens on a unix socket, or has bound it where it is a datagram socket.
   *
   * ```ts
   * await vm.waitForOpenUnixSocket('/run/docker.sock')
   * ```
   */
  waitForOpenUnixSocket(
    path: string,
    options: WaitOptions & { readonly datagram?: boolean } = {},
  ): Promise<void> {
    return waitForOpenUnixSocket(this.#guest, path, options)
  }

  /**
   * Waits until a unit of systemd is active. In all methods, the name of a unit may leave out `.service`.
   *
   * ```ts
   * await vm.waitForUnit('nginx')
   * await vm.waitForUnit('podman.socket', { user: 'alice', timeout: 60 })
   * ```
   *
   * @throws WaitError at once when the unit has failed, or when it is inactive and no job of systemd will start it. The
   *   message has its status and the end of its journal.
   */
  waitForUnit(unit: string, options: UnitOptions = {}): Promise<void> {
    return waitForUnit(this.#guest, unit, options)
  }

  /**
   * Runs `systemctl`, and resolves with its output and exit code.
   *
   * ```ts
   * const { stdout } = await vm.systemctl('list-timers --all')
   * ```
   */
  systemctl(query: string, options: UnitOptions = {}): Promise<ExecResult> {
    return systemctl(this.#guest, query, options)
  }

  /**
   * All properties of a unit, as `systemctl show` prints them.
   *
   * ```ts
   * const { MainPID, ActiveState } = await vm.getUnitInfo('nginx')
   * ```
   */
  getUnitInfo(unit: string, options: UnitOptions = {}): Promise<Record<string, string>> {
    return getUnitInfo(this.#guest, unit, options)
  }

  /**
   * One property of a unit.
   *
   * ```ts
   * expect(await vm.getUnitProperty('nginx', 'NRestarts')).toBe('0')
   * ```
   *
   * @throws Error when units do not have this property.
   */
  getUnitProperty(unit: string, property: string, options: UnitOptions = {}): Promise<string> {
    return getUnitProperty(this.#guest, unit, property, options)
  }

  /**
   * Checks that a unit is in a state, by default `active`.
   *
   * ```ts
   * await vm.requireUnitState('backup', 'inactive')
   * ```
   *
   * @throws WaitError with the unit's status when it is in another state.
   */
  requireUnitState(unit: string, state = 'active', options: UnitOptions = {}): Promise<void> {
    return requireUnitState(this.#guest, unit, state, options)
  }

  /**
   * Starts a unit, and resolves when systemd has started it.
   *
   * ```ts
   * await vm.startUnit('backup')
   * ```
   *
   * @throws WaitError with the unit's status when it cannot be started.
   */
  startUnit(unit: string, options: UnitOptions = {}): Promise<void> {
    return changeUnit(this.#guest, 'start', unit, options)
  }

  /**
   * Stops a unit, and resolves when systemd has stopped it.
   *
   * ```ts
   * await vm.stopUnit('nginx')
   * ```
   */
  stopUnit(unit: string, options: UnitOptions = {}): Promise<void> {
    return changeUnit(this.#guest, 'stop', unit, options)
  }

  /**
   * The journal of this boot, or of one unit.
   *
   * ```ts
   * expect(await vm.journal({ unit: 'nginx', lines: 20 })).not.toContain('error')
   * ```
   */
  journal(options: JournalOptions = {}): Promise<string> {
    return journal(this.#guest, options)
  }

  /**
   * Sleeps for some seconds of the guest's clock.
   *
   * ```ts
   * await vm.sleep(2)
   * ```
   */
  async sleep(seconds: number, options: WaitOptions = {}): Promise<void> {
    const timeout = Math.max(60, seconds * 10)
    await this.succeed(['sleep', String(seconds)], { timeout, ...options })
  }

  /** The text of the serial console: the output of the kernel, the init, and other processes. */
  get consoleLog(): string {
    return this.#guest.qemu.console.text
  }

  /**
   * Waits until the text of the serial console matches, and resolves with the match. Earlier output counts. A match of a
   * regular expression that comes in several pieces may have up to 16,384 characters.
   *
   * ```ts
   * await vm.waitForConsoleText(/login: $/)
   * ```
   */
  waitForConsoleText(pattern: RegExp | string, options: WaitOptions = {}): Promise<string> {
    return waitForConsoleText(this.#guest, pattern, options)
  }

  /**
   * Types on the serial console.
   *
   * ```ts
   * vm.sendConsole('root\n')
   * ```
   */
  sendConsole(text: string): void {
    this.#guest.qemu.keyboard.write(text)
  }

  /**
   * Takes a screenshot, which is kept among the machine's artifacts; resolves with a PNG file.
   *
   * ```ts
   * await vm.screenshot('login.png')
   * ```
   *
   * @param file a path of the host to which it is written as well.
   * @throws Error when the machine has no screen (option `screen` of {@link boot}).
   */
  screenshot(file?: string, options: WaitOptions = {}): Promise<Buffer> {
    return this.#guest.screen.screenshot(file, options)
  }

  /**
   * The text on the screen, as tesseract reads it: single letters may be wrong. `lowerdir setup --ocr` fetches
   * tesseract.
   *
   * ```ts
   * expect(await vm.getScreenText()).toMatch(/welcome/i)
   * ```
   *
   * @throws ProvisionError when tesseract is missing.
   */
  getScreenText(options: WaitOptions = {}): Promise<string> {
    return getScreenText(this.#guest, this.#guest.screen, options)
  }

  /**
   * The text on the screen, read in three ways: as one block, as one block with inverted shades, and as single words.
   *
   * ```ts
   * expect((await vm.getScreenTextVariants()).join('\n')).toContain('Sign in')
   * ```
   */
  getScreenTextVariants(options: WaitOptions = {}): Promise<string[]> {
    return getScreenTextVariants(this.#guest, this.#guest.screen, options)
  }

  /**
   * Waits until one of the {@link getScreenTextVariants} matches, and resolves with the match.
   *
   * ```ts
   * await vm.waitForText(/sign in/i)
   * ```
   */
  waitForText(pattern: RegExp | string, options: WaitOptions = {}): Promise<string> {
    return waitForText(this.#guest, this.#guest.screen, pattern, options)
  }

  /**
   * Presses a key, or several at once. A key is a name of QEMU (QKeyCode) or a character; several are joined by `-`.
   *
   * ```ts
   * await vm.sendKey('ctrl-alt-f2')
   * await vm.sendKey('ret')
   * ```
   */
  sendKey(key: string, options: KeyOptions = {}): Promise<void> {
    return sendKey(this.#guest, key, options)
  }

  /**
   * Types a text on a US keyboard, as fast as the guest reads it.
   *
   * ```ts
   * await vm.sendChars('root\n')
   * ```
   *
   * @throws RangeError for a character that a US keyboard does not have; nothing has been typed then.
   */
  sendChars(text: string, options: KeyOptions = {}): Promise<void> {
    return sendChars(this.#guest, text, options)
  }

  /**
   * The text of a virtual terminal, without blanks at the ends of its lines.
   *
   * ```ts
   * expect(await vm.getTtyText(1)).toContain('login:')
   * ```
   */
  getTtyText(tty: number, options: WaitOptions = {}): Promise<string> {
    return getTtyText(this.#guest, tty, options)
  }

  /**
   * Waits until the text of a virtual terminal matches, and resolves with the match.
   *
   * ```ts
   * await vm.waitUntilTtyMatches(1, /login:$/m)
   * ```
   */
  waitUntilTtyMatches(
    tty: number,
    pattern: RegExp | string,
    options: WaitOptions = {},
  ): Promise<string> {
    return waitUntilTtyMatches(this.#guest, tty, pattern, options)
  }

  /**
   * Waits until an X server listens.
   *
   * ```ts
   * await vm.waitForX()
   * ```
   */
  waitForX(options: WaitOptions & Pick<DisplayOptions, 'display'> = {}): Promise<void> {
    return waitForX(this.#guest, options)
  }

  /**
   * The names of an X server's windows. The guest needs xwininfo (Debian's package x11-utils).
   *
   * ```ts
   * expect(await vm.getWindowNames({ user: 'alice' })).toContain('Mozilla Firefox')
   * ```
   */
  getWindowNames(options: DisplayOptions = {}): Promise<string[]> {
    return getWindowNames(this.#guest, options)
  }

  /**
   * Waits for a window whose name matches, and resolves with the name.
   *
   * ```ts
   * await vm.waitForWindow(/firefox/i)
   * ```
   */
  waitForWindow(pattern: RegExp | string, options: DisplayOptions = {}): Promise<string> {
    return waitForWindow(this.#guest, pattern, options)
  }

  /**
   * Connects the terminal of the person who runs the test to a shell of the guest, and resolves with the shell's exit
   * status. Other work of the test goes on meanwhile, and so does the test's timeout.
   *
   * ```ts
   * await vm.shellInteract()
   * ```
   *
   * @throws Error when this process has no terminal.
   */
  shellInteract(): Promise<number> {
    return shellInteract(this.#guest)
  }

  /**
   * Connects that terminal to the serial console, until Ctrl-] is typed or the machine ends.
   *
   * ```ts
   * await vm.consoleInteract()
   * ```
   *
   * @throws Error when this process has no terminal.
   */
  consoleInteract(): Promise<void> {
    return consoleInteract(this.#guest)
  }

  /**
   * Runs a command of QEMU's monitor in its machine protocol (QEMU's docs/interop/qemu-qmp-ref).
   *
   * ```ts
   * const { status } = await vm.qmp('query-status') as { status: string }
   * ```
   *
   * @throws Error with QEMU's message; WaitError when QEMU does not answer.
   */
  qmp(
    command: string,
    parameters: Readonly<Record<string, unknown>> = {},
    options: WaitOptions = {},
  ): Promise<unknown> {
    return this.#guest.qmp(command, parameters, options)
  }

  /**
   * Runs a command of QEMU's monitor in its language for people, and resolves with the output.
   *
   * ```ts
   * console.log(await vm.hmp('info network'))
   * ```
   */
  hmp(commandLine: string, options: WaitOptions = {}): Promise<string> {
    return this.#guest.hmp(commandLine, options)
  }

  /**
   * Waits for an event of QEMU's monitor. Earlier events do not count. Default timeout: 600 seconds, three times as many
   * where the guest is emulated.
   *
   * ```ts
   * const reset = vm.waitForQmpEvent(({ event }) => event === 'RESET')
   * ```
   */
  waitForQmpEvent(
    filter: (event: QmpEvent) => boolean,
    options: WaitOptions = {},
  ): Promise<QmpEvent> {
    return waitForQmpEvent(this.#guest, filter, options)
  }

  /**
   * Forwards a TCP port of the host's 127.0.0.1 to a port of the guest.
   *
   * ```ts
   * await vm.forwardPort(8080, 80)
   * ```
   */
  async forwardPort(host: number, guest: number, options: WaitOptions = {}): Promise<void> {
    const forward = `hostfwd_add ${USER_NETDEV} tcp:127.0.0.1:${host}-:${guest}`
    const said = await this.hmp(forward, options)
    if (said.trim() === '') return
    throw new Error(`The port ${host} cannot be forwarded to ${this.name}: ${said.trim()}`)
  }

  /**
   * Copies a file or a directory of the host to the path `target` of the guest. Root owns the copy. Modes and symlinks
   * are kept, and so are holes of 1 MiB and more. `source` itself is followed if it is a symlink. Directories around `target`
   * are made. A directory that exists already keeps its other files.
   *
   * ```ts
   * await vm.copyFromHost('fixtures/site', '/var/www/site')
   * ```
   *
   * @throws FileError with the path, of the host or of the guest, and the reason.
   */
  copyFromHost(source: string, target: string, options: TransferOptions = {}): Promise<void> {
    return copyFromHost(this.#guest, source, target, options)
  }

  /**
   * Copies a file or a directory of the guest into a directory of the host, which is made if it does not exist, and
   * resolves with the path of the copy. The user who runs the test owns the copy, and may enter and write all of its
   * directories. Devices and FIFOs are left out.
   *
   * The copy is in its place when all of it has come. A directory that exists already keeps its other files; everything
   * else that has a name of the copy is replaced. Symlinks that are there, such as those of an earlier copy, are not
   * followed. But those in the path `targetDirectory` are: do not name a directory inside of an earlier copy.
   *
   * ```ts
   * const log = await vm.copyToHost('/var/log/app.log', 'artifacts')
   * ```
   *
   * @throws FileError with the path, of the host or of the guest, and the reason.
   */
  copyToHost(
    source: string,
    targetDirectory: string,
    options: TransferOptions = {},
  ): Promise<string> {
    return copyToHost(this.#guest, source, targetDirectory, options)
  }

  /**
   * Reads a file of the guest: as text, or with `buffer` as bytes. It reads files of /proc and /sys as well.
   *
   * ```ts
   * expect(await vm.readFile('/etc/hostname')).toBe('machine\n')
   * const image = await vm.readFile('/srv/logo.png', 'buffer')
   * ```
   *
   * @throws FileError with its `code`, such as ENOENT.
   */
  readFile(path: string, encoding: 'buffer', options?: TransferOptions): Promise<Buffer>
  readFile(path: string, encoding?: BufferEncoding, options?: TransferOptions): Promise<string>
  async readFile(
    path: string,
    encoding: BufferEncoding | 'buffer' = 'utf8',
    options: TransferOptions = {},
  ): Promise<string | Buffer> {
    const bytes = await readFile(this.#guest, path, options)
    return encoding === 'buffer' ? bytes : bytes.toString(encoding)
  }

  /**
   * Writes a file of the guest, and makes the directories around it.
   *
   * ```ts
   * await vm.writeFile('/etc/app/token', 'secret', { mode: 0o600, owner: 'app:app' })
   * ```
   *
   * @throws FileError with its `code`, such as ENOSPC.
   */
  writeFile(
    path: string,
    data: string | Uint8Array | Readable,
    options: WriteFileOptions = {},
  ): Promise<void> {
    return writeFile(this.#guest, path, data, options)
  }

  /**
   * Lists what the guest has written to its root: the paths that were created, changed and deleted since the boot. File
   * systems that are mounted in the root do not count.
   *
   * ```ts
   * await vm.succeed('apt-get install -y nginx')
   * const { created, changed, deleted } = await vm.changes({ under: '/etc' })
   * ```
   *
   * A file counts as changed once it was opened for writing, or once its mode or owner was set. A directory counts as
   * changed when its mode or owner is different; its entries do not matter. Of a deleted directory only its own path is
   * listed. Writes before the guest's own init ran do not count.
   */
  changes(options: ChangesOptions = {}): Promise<Changes> {
    return changes(this.#guest, options)
  }

  /**
   * Pulls its network cables out: no frame gets to it or away from it, in any of its VLANs.
   *
   * ```ts
   * net.machines.a.block()
   * ```
   */
  block(): void {
    this.#cables().block()
  }

  /** Plugs its network cables in again. */
  unblock(): void {
    this.#cables().unblock()
  }

  /**
   * Runs a part of a test under a name, which the record and the report show. Steps may contain steps.
   *
   * ```ts
   * await vm.step('log in', async () => { … })
   * ```
   */
  step<T>(name: string, body: () => Promise<T> | T): Promise<T> {
    return this.recorder.step(name, body)
  }

  /**
   * Checks a condition again and again, until the result is disposed of. When the condition does not hold, all waits and
   * commands on the machine fail with that error, and later ones as well.
   *
   * ```ts
   * await using _ = vm.always('the service runs', () => vm.succeed('pgrep app'))
   * ```
   *
   * @param check fails the condition by returning false or by throwing.
   * @param options.interval seconds between two checks. Default: 2.
   */
  always(
    what: string,
    check: () => unknown,
    options: { readonly interval?: number } = {},
  ): AsyncDisposable {
    return this.#guest.always(what, check, options.interval ?? 2)
  }

  /**
   * Powers the guest off by its init, and resolves when it is off.
   *
   * ```ts
   * await vm.shutdown()
   * expect(vm.isUp).toBe(false)
   * ```
   *
   * @throws MachineError when it ends in another way.
   */
  shutdown(options: WaitOptions = {}): Promise<void> {
    return shutdown(this.#guest, options)
  }

  /**
   * Reboots the guest, and resolves when it takes commands again. Its writes are lost, except those on disks.
   *
   * ```ts
   * await vm.reboot()
   * ```
   */
  reboot(options: WaitOptions = {}): Promise<void> {
    return reboot(this.#guest, options)
  }

  /** Waits until the guest is off. @throws MachineError when it ends in another way, such as by a panic. */
  waitForShutdown(options: WaitOptions = {}): Promise<void> {
    return waitForShutdown(this.#guest, options)
  }

  /**
   * Takes the power away: the guest cannot write anything back.
   *
   * ```ts
   * await vm.crash()
   * ```
   */
  async crash(): Promise<void> {
    this.#guest.qemu.end('The test took its power away.')
    await this.ended
  }

  /**
   * Sets the guest's clock to the host's, and resolves when it is within 50 milliseconds of it. That takes one or two seconds.
   *
   * A machine that goes on from a snapshot does so by itself, in its first seconds, and its clock is late by up to a second
   * until then. Call this before the first command whose result must not show that.
   *
   * ```ts
   * const vm = await Machine.restore(snapshot)
   * await vm.setClock()
   * ```
   *
   * @throws MachineError when the clock does not become right: the host has too much else to do, or something in the guest
   *   sets it otherwise; and when the machine ends first.
   */
  setClock(options: WaitOptions = {}): Promise<void> {
    return bounded(this.#guest, 'the clock', options, () => this.#guest.qemu.setClock())
  }

  /**
   * Saves the machine with all its processes and open files, and lets it go on. Any number of machines can go on from the
   * snapshot ({@link restore}). Their root is still served live from the host.
   *
   * ```ts
   * await using snapshot = await vm.snapshot()
   * await using other = await Machine.restore(snapshot)
   * ```
   *
   * @param folder keeps the snapshot for good. Without one, it is removed when it is disposed of or this process ends.
   * @throws Error for a machine that cannot be saved: one with the transport `9p`, one with `virtiofs` and a QEMU before 8.2, one in
   *   a network, or with a share of functions or an upper layer in a directory.
   */
  snapshot(folder?: string, options: WaitOptions = {}): Promise<MachineSnapshot> {
    return saveSnapshot(this.#guest, folder, options)
  }

  /**
   * Starts a machine that goes on from a snapshot, and resolves when it takes commands, which is much earlier than a
   * boot. Its clock is set ({@link setClock}). Machines of one snapshot have the same boot_id, machine-id, host name and MAC
   * addresses, unless `newIdentity` is given. A process that had a file open gets ESTALE where the file has changed on the
   * host since.
   *
   * ```ts
   * const vm = await Machine.restore('/var/cache/snapshots/nginx')
   * ```
   *
   * @param snapshot a snapshot, or the folder of one.
   */
  static async restore(
    snapshot: MachineSnapshot | string,
    options: RestoreOptions = {},
  ): Promise<Machine> {
    return new Machine(
      await startMachine(options, (each) =>
        restoreSnapshot(snapshot, each, (parts) => new RunningGuest(parts)),
      ),
    )
  }

  /**
   * Starts a second machine that goes on from the state of this one, with memory and disks of its own.
   *
   * ```ts
   * const [a, b] = await Promise.all([vm.fork(), vm.fork()])
   * ```
   */
  async fork(options: RestoreOptions = {}): Promise<Machine> {
    await using snapshot = await this.snapshot(undefined, { signal: options.signal })
    return await Machine.restore(snapshot, options)
  }

  /** Ends the machine at once, and frees everything that belongs to it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#guest[Symbol.asyncDispose]()
  }

  #cables(): { block(): void; unblock(): void } {
    const { cables } = this.#guest.parts
    if (cables !== undefined) return cables
    throw new Error(`${this.name} is in no network. \`network()\` boots machines in one.`)
  }
}

/** The address of a port. */
export interface PortOptions {
  /** A host name or an address, as the guest resolves it. Default: `localhost`. */
  readonly address?: string
}
