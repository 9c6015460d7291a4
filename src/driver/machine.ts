import { stripVTControlCharacters } from 'node:util'
import type { Readable } from 'node:stream'
import type { GuestInit } from '../guest/init.ts'
import type { Accelerator } from '../machine/accelerator.ts'
import { shellWord } from '../util/shell.ts'
import { USER_NETDEV } from '../machine/devices/network.ts'
import type { QmpEvent } from '../machine/qmp.ts'
import { Always } from './always.ts'
import { anySignal } from './any-signal.ts'
import { type Changes, type ChangesOptions, changes } from './changes.ts'
import { Command, type ExecResult, type OutputPiece } from './command.ts'
import { CommandError, type CommandFailure, failureText } from './command-error.ts'
import { waitForConsoleText } from './console-waits.ts'
import { type ExecOptions, commandText, execScript, inputStream, rootEnvironment } from './exec.ts'
import {
  type WriteFileOptions,
  copyFromHost,
  copyToHost,
  readFile,
  writeFile,
} from './guest-files.ts'
import { consoleInteract, shellInteract } from './interact.ts'
import { type KeyOptions, sendChars, sendKey } from './keyboard.ts'
import type { MachineParts } from './machine-parts.ts'
import { getScreenText, getScreenTextVariants, waitForText } from './ocr.ts'
import { reboot, shutdown, waitForShutdown } from './power.ts'
import { waitForQmpEvent } from './qmp-waits.ts'
import type { Recorder } from '../record/recorder.ts'
import { Screen } from './screen.ts'
import { repeat, waitForFile, waitForOpenUnixSocket, waitForPort } from './shell-waits.ts'
import { type UserOption, systemctl } from './systemd/systemctl.ts'
import { defaultTimeout } from './timeouts.ts'
import type { TransferOptions } from './transfer.ts'
import { getTtyText, waitUntilTtyMatches } from './tty.ts'
import { waitForUnit } from './unit-waits.ts'
import {
  type JournalOptions,
  changeUnit,
  getUnitInfo,
  getUnitProperty,
  journal,
  requireUnitState,
} from './units.ts'
import { type MachineSnapshot, saveSnapshot } from './machine-snapshot.ts'
import { type RestoreOptions, restoreSnapshot } from './restore.ts'
import { startMachine } from './test-machines.ts'
import { type WaitOptions, type Waiter, failure } from './wait.ts'
import { type DisplayOptions, getWindowNames, waitForWindow, waitForX } from './windows.ts'

/** Most bytes of a command's output, unless it is told otherwise. */
const MAX_OUTPUT = 64 << 20

/** How many lines of the console explain a failure. */
const CONSOLE_LINES = 30

/**
 * A machine under test: a guest that runs, and everything that a test does with it. {@link boot} makes one.
 *
 * Times are in seconds. What waits ends when the event comes, throws WaitError when its time is over, and at
 * once when the machine has ended.
 */
export class Machine implements AsyncDisposable {
  readonly #parts: MachineParts
  #upset = new AbortController()
  readonly #screen: Screen
  #isUp = true

  constructor(parts: MachineParts) {
    this.#parts = parts
    const { name, recorder, artifacts } = parts
    const { folder } = parts.qemu
    const qmp = this.qmp.bind(this)
    this.#screen = new Screen({ name, qmp, folder, recorder, artifacts })
    void this.#followEnd()
  }

  /** Its name, which is its host name as well. */
  get name(): string {
    return this.#parts.name
  }

  /** What its process 1 is. */
  get init(): GuestInit {
    return this.#parts.init
  }

  /** How it runs. */
  get accelerator(): Accelerator {
    return this.#parts.accelerator
  }

  /** Whether it runs. */
  get isUp(): boolean {
    return this.#isUp
  }

  /** Resolves when it is over, with the reason. */
  get ended(): Promise<Error> {
    return this.#parts.qemu.ended
  }

  /** What has happened to it. */
  get recorder(): Recorder {
    return this.#parts.recorder
  }

  /** Where what is left for people to look at is; undefined where nothing is to be left. */
  get artifacts(): string | undefined {
    return this.#parts.artifacts?.path
  }

  /** QEMU's command line, as a shell takes it. */
  get commandLine(): string {
    return this.#parts.qemu.command.map(shellWord).join(' ')
  }

  /** For what waits on this machine. */
  get waiter(): Waiter {
    return {
      name: this.name,
      recorder: this.recorder,
      ended: this.ended,
      defaultTimeout: defaultTimeout(this.accelerator),
      upset: this.#upset.signal,
      consoleTail: () => this.#consoleTail(),
    }
  }

  /**
   * Runs a command: text is run by the guest's /bin/sh, a list is a program with its arguments. Many may run at
   * once. It resolves with how the command ended, whatever its exit code.
   *
   * ```ts
   * const { exitCode, stdout } = await vm.exec('ls /srv', { user: 'www-data', timeout: 10 })
   * for await (const line of vm.exec(['journalctl', '-f']).lines()) console.log(line)
   * ```
   *
   * @throws CommandError when it takes too long or says too much, the signal's reason when it is aborted; nothing
   *   that it has started runs on then. MachineError when the machine ends first.
   */
  exec(
    command: string | readonly string[],
    options: ExecOptions & { readonly encoding: 'buffer' },
  ): Command<Buffer>
  exec(command: string | readonly string[], options?: ExecOptions): Command
  exec(command: string | readonly string[], options: ExecOptions = {}): Command<string | Buffer> {
    const { stdin, signal, timeout = defaultTimeout(this.accelerator) } = options
    const { qemu, recorder, env } = this.#parts
    const script = execScript(command, { ...options, env: { ...env, ...options.env } })
    const guest = qemu.runScript(script, inputStream(stdin))
    const text = commandText(command)
    const { user, cwd } = options
    const record =
      options.quiet === true
        ? undefined
        : recorder.command({
            text,
            ...(user === undefined ? {} : { user }),
            ...(cwd === undefined ? {} : { cwd }),
          })
    const bounds = {
      timeout,
      signal: anySignal(signal, this.#upset.signal),
      maxOutput: options.maxOutput ?? MAX_OUTPUT,
      encoding: options.encoding ?? 'utf8',
    } as const
    const running: Command<string | Buffer> = new Command(guest, bounds, {
      onOutput: ({ stream, data }: OutputPiece) => record?.output(stream, data),
      onEnd: (how) => record?.end(how),
      failure: (why: CommandFailure) => this.#commandFailure(text, running, why),
    })
    return running
  }

  /**
   * Runs a command that is to succeed, and resolves with its standard output.
   *
   * ```ts
   * expect(await vm.succeed('cat /etc/hostname')).toBe('machine\n')
   * ```
   *
   * @throws CommandError when it exits with anything but 0: with both streams and the end of the console.
   */
  async succeed(command: string | readonly string[], options: ExecOptions = {}): Promise<string> {
    const result = await this.exec(command, { ...options, encoding: 'utf8' })
    if (result.exitCode !== 0) throw this.#unexpected(command, result, endOf(result))
    return result.stdout
  }

  /**
   * Runs a command that is to fail, and resolves with its standard output.
   *
   * ```ts
   * await vm.fail('ping -c 1 10.1.2.3')
   * ```
   *
   * @throws CommandError when it exits with 0.
   */
  async fail(command: string | readonly string[], options: ExecOptions = {}): Promise<string> {
    const result = await this.exec(command, { ...options, encoding: 'utf8' })
    if (result.exitCode === 0) throw this.#unexpected(command, result, 'was to fail, and succeeded')
    return result.stdout
  }

  /**
   * Runs a command again and again until it exits with 0; resolves with its standard output.
   *
   * ```ts
   * await vm.waitUntilSucceeds('curl -sf localhost/health', { timeout: 30 })
   * ```
   */
  waitUntilSucceeds(command: string, options: WaitOptions = {}): Promise<string> {
    return repeat(this, command, 'succeed', options)
  }

  /**
   * Runs a command again and again until it exits with anything but 0; resolves with its standard output.
   *
   * ```ts
   * await vm.waitUntilFails('pgrep backup')
   * ```
   */
  waitUntilFails(command: string, options: WaitOptions = {}): Promise<string> {
    return repeat(this, command, 'fail', options)
  }

  /**
   * Waits until a file is there, of whatever type.
   *
   * ```ts
   * await vm.waitForFile('/run/app.pid')
   * ```
   */
  waitForFile(path: string, options: WaitOptions = {}): Promise<void> {
    return waitForFile(this, path, options)
  }

  /**
   * Waits until something listens on a TCP port. On the guest's own addresses it is looked for, elsewhere connected to.
   *
   * ```ts
   * await vm.waitForOpenPort(5432)
   * await client.waitForOpenPort(80, { address: 'server' })
   * ```
   */
  waitForOpenPort(port: number, options: WaitOptions & PortOptions = {}): Promise<void> {
    return waitForPort(this, port, options.address ?? 'localhost', true, options)
  }

  /**
   * Waits until nothing listens on a TCP port.
   *
   * ```ts
   * await vm.waitForClosedPort(5432)
   * ```
   */
  waitForClosedPort(port: number, options: WaitOptions & PortOptions = {}): Promise<void> {
    return waitForPort(this, port, options.address ?? 'localhost', false, options)
  }

  /**
   * Waits until something listens on a unix socket, or has bound it if it is to be one for datagrams.
   *
   * ```ts
   * await vm.waitForOpenUnixSocket('/run/docker.sock')
   * ```
   */
  waitForOpenUnixSocket(
    path: string,
    options: WaitOptions & { readonly datagram?: boolean } = {},
  ): Promise<void> {
    return waitForOpenUnixSocket(this, path, options)
  }

  /**
   * Waits until a unit of systemd is active. Everywhere, a unit's name may go without `.service`.
   *
   * ```ts
   * await vm.waitForUnit('nginx')
   * await vm.waitForUnit('podman.socket', { user: 'alice', timeout: 60 })
   * ```
   *
   * @throws WaitError at once when it has failed, or is inactive and nothing is about to start it; with its status and
   *   the end of its journal.
   */
  waitForUnit(unit: string, options: WaitOptions & UserOption = {}): Promise<void> {
    return waitForUnit(this, unit, options)
  }

  /**
   * Runs `systemctl`, and resolves with how it ended.
   *
   * ```ts
   * const { stdout } = await vm.systemctl('list-timers --all')
   * ```
   */
  systemctl(query: string, options: UserOption = {}): Promise<ExecResult> {
    return systemctl(this, query, options)
  }

  /**
   * All properties of a unit, as `systemctl show` has them.
   *
   * ```ts
   * const { MainPID, ActiveState } = await vm.getUnitInfo('nginx')
   * ```
   */
  getUnitInfo(unit: string, options: UserOption = {}): Promise<Record<string, string>> {
    return getUnitInfo(this, unit, options)
  }

  /**
   * One property of a unit.
   *
   * ```ts
   * expect(await vm.getUnitProperty('nginx', 'NRestarts')).toBe('0')
   * ```
   *
   * @throws Error when units have no such property.
   */
  getUnitProperty(unit: string, property: string, options: UserOption = {}): Promise<string> {
    return getUnitProperty(this, unit, property, options)
  }

  /**
   * Makes sure that a unit is in a state, by default `active`.
   *
   * ```ts
   * await vm.requireUnitState('backup', 'inactive')
   * ```
   *
   * @throws WaitError with the unit's status when it is in another one.
   */
  requireUnitState(unit: string, state = 'active', options: UserOption = {}): Promise<void> {
    return requireUnitState(this, unit, state, options)
  }

  /**
   * Starts a unit, and resolves when systemd says that it is started.
   *
   * ```ts
   * await vm.startUnit('backup')
   * ```
   *
   * @throws WaitError with the unit's status when it cannot be started.
   */
  startUnit(unit: string, options: UserOption = {}): Promise<void> {
    return changeUnit(this, 'start', unit, options)
  }

  /**
   * Stops a unit, and resolves when it is stopped.
   *
   * ```ts
   * await vm.stopUnit('nginx')
   * ```
   */
  stopUnit(unit: string, options: UserOption = {}): Promise<void> {
    return changeUnit(this, 'stop', unit, options)
  }

  /**
   * The journal of this boot, or of one unit.
   *
   * ```ts
   * expect(await vm.journal({ unit: 'nginx', lines: 20 })).not.toContain('error')
   * ```
   */
  journal(options: JournalOptions = {}): Promise<string> {
    return journal(this, options)
  }

  /**
   * Sleeps, in the guest's time.
   *
   * ```ts
   * await vm.sleep(2)
   * ```
   */
  async sleep(seconds: number): Promise<void> {
    await this.succeed(['sleep', String(seconds)], { timeout: Math.max(60, seconds * 10) })
  }

  /** What the kernel, the init and everybody else has printed on the serial console. */
  get consoleLog(): string {
    return this.#parts.qemu.console.text
  }

  /**
   * Waits until the serial console's text matches, and resolves with what did. What it has said before counts.
   *
   * ```ts
   * await vm.waitForConsoleText(/login: $/)
   * ```
   */
  waitForConsoleText(pattern: RegExp | string, options: WaitOptions = {}): Promise<string> {
    return waitForConsoleText(this, this.#parts.qemu.console, pattern, options)
  }

  /**
   * Types on the serial console.
   *
   * ```ts
   * vm.sendConsole('root\n')
   * ```
   */
  sendConsole(text: string): void {
    this.#parts.qemu.keyboard.write(text)
  }

  /**
   * Takes a picture of the screen, kept among the machine's artifacts; resolves with a PNG file.
   *
   * ```ts
   * await vm.screenshot('login.png')
   * ```
   *
   * @param file where to write it as well.
   * @throws Error when the machine has no screen.
   */
  screenshot(file?: string): Promise<Buffer> {
    return this.#screen.screenshot(file)
  }

  /**
   * The text on the screen, as tesseract reads it (`lowerdir setup --ocr` fetches it): not to the letter.
   *
   * ```ts
   * expect(await vm.getScreenText()).toMatch(/welcome/i)
   * ```
   *
   * @throws ProvisionError when there is no tesseract.
   */
  getScreenText(): Promise<string> {
    return getScreenText(this.#screen)
  }

  /**
   * The text on the screen, read in several ways: as one block, with its shades inverted, as words here and there.
   *
   * ```ts
   * expect((await vm.getScreenTextVariants()).join('\n')).toContain('Sign in')
   * ```
   */
  getScreenTextVariants(): Promise<string[]> {
    return getScreenTextVariants(this.#screen)
  }

  /**
   * Waits until the text on the screen matches, however it is read, and resolves with what did.
   *
   * ```ts
   * await vm.waitForText(/sign in/i)
   * ```
   */
  waitForText(pattern: RegExp | string, options: WaitOptions = {}): Promise<string> {
    return waitForText(this, this.#screen, pattern, options)
  }

  /**
   * Presses a key, or several at once: names as QEMU has them (QKeyCode), joined by `-`, or a character.
   *
   * ```ts
   * await vm.sendKey('ctrl-alt-f2')
   * await vm.sendKey('ret')
   * ```
   */
  sendKey(key: string, options: KeyOptions = {}): Promise<void> {
    return sendKey(this, key, options)
  }

  /**
   * Types a text on a US keyboard, no faster than the guest reads it.
   *
   * ```ts
   * await vm.sendChars('root\n')
   * ```
   *
   * @throws RangeError for a character that such a keyboard has not got; nothing has been typed then.
   */
  sendChars(text: string, options: KeyOptions = {}): Promise<void> {
    return sendChars(this, text, options)
  }

  /**
   * What a virtual terminal shows: its lines, without what is blank at their ends.
   *
   * ```ts
   * expect(await vm.getTtyText(1)).toContain('login:')
   * ```
   */
  getTtyText(tty: number): Promise<string> {
    return getTtyText(this, tty)
  }

  /**
   * Waits until what a virtual terminal shows matches, and resolves with what did.
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
    return waitUntilTtyMatches(this, tty, pattern, options)
  }

  /**
   * Waits until an X server takes connections.
   *
   * ```ts
   * await vm.waitForX()
   * ```
   */
  waitForX(options: WaitOptions & Pick<DisplayOptions, 'display'> = {}): Promise<void> {
    return waitForX(this, options)
  }

  /**
   * The names of an X server's windows, which takes xwininfo in the guest (Debian's package x11-utils).
   *
   * ```ts
   * expect(await vm.getWindowNames({ user: 'alice' })).toContain('Mozilla Firefox')
   * ```
   */
  getWindowNames(options: DisplayOptions = {}): Promise<string[]> {
    return getWindowNames(this, options)
  }

  /**
   * Waits for a window whose name matches, and resolves with the name.
   *
   * ```ts
   * await vm.waitForWindow(/firefox/i)
   * ```
   */
  waitForWindow(
    pattern: RegExp | string,
    options: WaitOptions & DisplayOptions = {},
  ): Promise<string> {
    return waitForWindow(this, pattern, options)
  }

  /**
   * Joins the terminal of whoever runs the test to a shell of the guest, until that ends; resolves with its exit
   * status. Everything else goes on meanwhile, and so does the test's timeout.
   *
   * ```ts
   * await vm.shellInteract()
   * ```
   *
   * @throws Error when this process has no terminal.
   */
  shellInteract(): Promise<number> {
    const { qemu, env } = this.#parts
    return shellInteract(this.name, qemu, { env: { ...rootEnvironment, ...env } })
  }

  /**
   * Joins that terminal to the serial console, until Ctrl-] is typed or the machine ends.
   *
   * ```ts
   * await vm.consoleInteract()
   * ```
   *
   * @throws Error when this process has no terminal.
   */
  consoleInteract(): Promise<void> {
    return consoleInteract(this.name, this.#parts.qemu)
  }

  /**
   * Asks QEMU's monitor, in its machine protocol (docs/interop/qemu-qmp-ref).
   *
   * ```ts
   * const { status } = await vm.qmp('query-status') as { status: string }
   * ```
   *
   * @throws Error with QEMU's own words.
   */
  async qmp(command: string, parameters: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
    return (await this.#parts.qemu.qmp).execute(command, parameters)
  }

  /**
   * Asks QEMU's monitor as a person would, and resolves with what it prints.
   *
   * ```ts
   * console.log(await vm.hmp('info network'))
   * ```
   */
  async hmp(commandLine: string): Promise<string> {
    return String(await this.qmp('human-monitor-command', { 'command-line': commandLine }))
  }

  /**
   * Waits for an event of QEMU's monitor that comes from now on. Timeout: 600 seconds by default.
   *
   * ```ts
   * const reset = vm.waitForQmpEvent(({ event }) => event === 'RESET')
   * ```
   */
  waitForQmpEvent(
    filter: (event: QmpEvent) => boolean,
    options: WaitOptions = {},
  ): Promise<QmpEvent> {
    return waitForQmpEvent(this, this.#parts.qemu.qmp, filter, options)
  }

  /**
   * Lets a TCP port of the host's 127.0.0.1 lead to a port of the guest's.
   *
   * ```ts
   * await vm.forwardPort(8080, 80)
   * ```
   */
  async forwardPort(host: number, guest: number): Promise<void> {
    const said = await this.hmp(`hostfwd_add ${USER_NETDEV} tcp:127.0.0.1:${host}-:${guest}`)
    if (said.trim() === '') return
    throw new Error(`The port ${host} cannot be forwarded to ${this.name}: ${said.trim()}`)
  }

  /**
   * Copies a file or a directory of the host's. It is root's in the guest, with the modes and symlinks that it has on
   * the host; what `source` itself leads to is copied. `target` is what it is called there, and the directories around
   * it are made; a directory's files come beside those that are there already.
   *
   * ```ts
   * await vm.copyFromHost('fixtures/site', '/var/www/site')
   * ```
   *
   * @throws FileError that says which file it was, of the host or of the guest, and why.
   */
  copyFromHost(source: string, target: string, options: TransferOptions = {}): Promise<void> {
    return copyFromHost(this, this.#parts.qemu, source, target, options)
  }

  /**
   * Copies a file or a directory of the guest's into a directory of the host's, which is made, and resolves with its
   * path there. It belongs to whoever runs the test.
   *
   * ```ts
   * const log = await vm.copyToHost('/var/log/app.log', 'artifacts')
   * ```
   *
   * @throws FileError that says which file it was, of the host or of the guest, and why.
   */
  copyToHost(
    source: string,
    targetDirectory: string,
    options: TransferOptions = {},
  ): Promise<string> {
    return copyToHost(this, this.#parts.qemu, source, targetDirectory, options)
  }

  /**
   * Reads a file of the guest's: as text, or with `buffer` as bytes. Files of /proc and /sys will do as well.
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
    const bytes = await readFile(this, this.#parts.qemu, path, options)
    return encoding === 'buffer' ? bytes : bytes.toString(encoding)
  }

  /**
   * Writes a file of the guest's, and makes the directories that it is in.
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
    return writeFile(this, this.#parts.qemu, path, data, options)
  }

  /**
   * Lists what the guest has written: the paths that are in its root now and were not before, those that are other
   * than before, and those that are gone. The root's own file system counts, and none that is mounted in it.
   *
   * ```ts
   * await vm.succeed('apt-get install -y nginx')
   * const { created, changed, deleted } = await vm.changes({ under: '/etc' })
   * ```
   *
   * A file counts as changed once it was opened for writing, or its mode or its owner was set; a directory when its
   * mode or owner is another, not for what is in it. Of a directory that is gone only its own path is listed. What
   * was written before the guest's own init ran does not count.
   */
  changes(options: ChangesOptions = {}): Promise<Changes> {
    return changes(this.#parts.qemu, options)
  }

  /**
   * Pulls its network cables out: nothing reaches it in its VLANs, and it reaches nobody.
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
   * Runs a part of a test that has a name in the record and in the report. Steps may be within steps.
   *
   * ```ts
   * await vm.step('log in', async () => { … })
   * ```
   */
  step<T>(name: string, body: () => Promise<T> | T): Promise<T> {
    return this.recorder.step(name, body)
  }

  /**
   * Checks a condition until what this returns is disposed of. When it does not hold, whatever waits or runs on the
   * machine is given up with that as its error, and so is all that comes after.
   *
   * ```ts
   * await using _ = vm.always('the service runs', () => vm.succeed('pgrep app'))
   * ```
   *
   * @param options.interval seconds between two checks; default 2.
   */
  always(
    what: string,
    check: () => unknown,
    options: { readonly interval?: number } = {},
  ): AsyncDisposable {
    return new Always(check, options.interval ?? 2, (error) => {
      // What it says beside its first line, such as the console, is in the cause.
      const [why = ''] = (error instanceof Error ? error.message : String(error)).split('\n', 1)
      this.#upset.abort(failure(this.waiter, `always: ${what}`, why, { cause: error }))
    })
  }

  /** What does not hold any more ({@link always}) is known: from now on nothing is given up for it. For who looks at why. */
  calm(): void {
    this.#upset = new AbortController()
  }

  /**
   * Powers the guest off as its init does it, and resolves when it is off.
   *
   * ```ts
   * await vm.shutdown()
   * expect(vm.isUp).toBe(false)
   * ```
   *
   * @throws MachineError when it has ended otherwise.
   */
  shutdown(options: WaitOptions = {}): Promise<void> {
    return shutdown(this, this.#parts.qemu, options)
  }

  /**
   * Reboots the guest, and resolves when it takes commands again. What it wrote is gone, but for what is on disks.
   *
   * ```ts
   * await vm.reboot()
   * ```
   */
  reboot(options: WaitOptions = {}): Promise<void> {
    return reboot(this, this.#parts.qemu, options)
  }

  /** Waits until the guest is off. @throws MachineError when it has ended otherwise, as by a panic. */
  waitForShutdown(options: WaitOptions = {}): Promise<void> {
    return waitForShutdown(this, options)
  }

  /**
   * Takes the power away: nothing is written back.
   *
   * ```ts
   * await vm.crash()
   * ```
   */
  async crash(): Promise<void> {
    this.#parts.qemu.end('The test took its power away.')
    await this.ended
  }

  /**
   * Saves it as it is at this moment, with all that runs and every open file, and lets it go on. Others go on from
   * there with {@link restore}, as many as wanted, their root still served live.
   *
   * ```ts
   * await using snapshot = await vm.snapshot()
   * await using other = await Machine.restore(snapshot)
   * ```
   *
   * @param folder where to, for good. Without one, the snapshot is gone when it is disposed of, or this process ends.
   * @throws Error for one that cannot be saved: over vhost-user, in a network, with shares that others serve.
   */
  snapshot(folder?: string): Promise<MachineSnapshot> {
    const { qemu, env, recorder } = this.#parts
    return saveSnapshot(qemu, env, recorder, folder)
  }

  /**
   * Goes on from a snapshot, and resolves when the machine takes commands: long before it could have booted. Its
   * clock is right. A file that has changed on the host since then gives ESTALE to who had it open.
   *
   * ```ts
   * const vm = await Machine.restore('/var/cache/snapshots/nginx')
   * ```
   *
   * @param snapshot one that was made, or the folder that one is in.
   */
  static restore(
    snapshot: MachineSnapshot | string,
    options: RestoreOptions = {},
  ): Promise<Machine> {
    return startMachine(options, (each) =>
      restoreSnapshot(snapshot, each, (parts) => new Machine(parts)),
    )
  }

  /**
   * Another machine that goes on from here, with memory and disks of its own.
   *
   * ```ts
   * const [a, b] = await Promise.all([vm.fork(), vm.fork()])
   * ```
   */
  async fork(options: RestoreOptions = {}): Promise<Machine> {
    await using snapshot = await this.snapshot()
    return await Machine.restore(snapshot, options)
  }

  /** Ends it at once, and everything that belongs to it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.resources[Symbol.asyncDispose]()
  }

  async #followEnd(): Promise<void> {
    await this.ended
    this.#isUp = false
  }

  #cables(): { block(): void; unblock(): void } {
    const { cables } = this.#parts
    if (cables !== undefined) return cables
    throw new Error(`${this.name} is in no network: \`network()\` makes one.`)
  }

  #consoleTail(): string {
    return stripVTControlCharacters(this.#parts.qemu.console.tail(CONSOLE_LINES))
  }

  #unexpected(command: string | readonly string[], result: ExecResult, what: string): CommandError {
    return new CommandError(what, {
      machine: this.name,
      command: commandText(command),
      ...result,
      console: this.#consoleTail(),
    })
  }

  #commandFailure(command: string, running: Command<string | Buffer>, why: CommandFailure): Error {
    if (why.kind === 'aborted') return why.reason as Error
    return new CommandError(failureText(why), {
      machine: this.name,
      command,
      exitCode: null,
      signal: null,
      stdout: running.said('stdout'),
      stderr: running.said('stderr'),
      console: this.#consoleTail(),
    })
  }
}

/** Where a port is. */
export interface PortOptions {
  /** A name or an address, as the guest knows it. Default: `localhost`. */
  readonly address?: string
}

function endOf({ exitCode, signal }: ExecResult): string {
  return signal === null ? `exited with ${exitCode}` : `was ended by ${signal}`
}
