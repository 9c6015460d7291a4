import { existsSync } from 'node:fs'
import { totalmem } from 'node:os'
import { join, resolve } from 'node:path'
import { isatty } from 'node:tty'
import { rootEnvironment } from '../driver/exec.ts'
import type { CommandLine } from '../guest/agent.ts'
import { BOOT_TIMEOUT } from '../machine/accelerator.ts'
import { findForPlan } from '../machine/find.ts'
import type { BootPhase, MachineHooks } from '../machine/hooks.ts'
import { joinTerminal } from '../machine/join-terminal.ts'
import type { PlanOptions } from '../machine/options.ts'
import { type MachinePlan, planMachine } from '../machine/plan.ts'
import { QemuMachine } from '../machine/qemu-machine.ts'
import { transportChoices } from '../machine/transport.ts'
import { sandboxModes } from '../server/sandbox.ts'
import { ErrnoError } from '../sys/errno.ts'
import { type ViewPatterns, shows } from '../tree/view/sight.ts'
import { streamEnd, whenAborted } from '../util/promises.ts'
import { type Option, type Values, command } from './command.ts'
import { TimedOut, abortOnSignals } from './interrupt.ts'
import { parsePolicy, policyOptions } from './policy.ts'
import { ProgressLine } from './progress.ts'
import { UserError, checkDirectory, explain } from './user-error.ts'
import {
  SHARE_FORM,
  parseChoice,
  parseCount,
  parseEnvironment,
  parseMemory,
  parseMsize,
  parseShare,
} from './values.ts'
import { parseView, viewNotes, viewOptions } from './view.ts'

/** What a shell reports for a program that SIGPIPE has ended. */
const SIGPIPE_STATUS = 141

/** The flags of `run`. {@link machineOptions} gives those of the machine to the planner. */
const flags = {
  root: {
    type: 'string',
    value: 'DIR',
    help: 'the directory that is the root, never changed (default /)',
  },
  share: {
    type: 'string',
    multiple: true,
    value: 'SRC:DST[:ro]',
    help: 'mount a further host directory, writable unless :ro; more options below',
  },
  ...policyOptions,
  ...viewOptions,
  cwd: {
    type: 'string',
    value: 'DIR',
    help: 'where the command runs (default: here if the root is / and shows it, else /)',
  },
  env: {
    type: 'string',
    multiple: true,
    value: 'NAME[=VALUE]',
    help: 'an environment variable of the command',
  },
  tty: {
    type: 'boolean',
    help: 'give the command a terminal (default without a command, on a terminal)',
  },
  memory: { type: 'string', value: 'SIZE', help: "the guest's memory (default 1G)" },
  cpus: { type: 'string', value: 'N', help: "the guest's CPUs (default 1)" },
  accel: { type: 'string', value: 'auto|kvm|tcg', help: 'how the guest runs (default auto)' },
  transport: {
    type: 'string',
    value: 'auto|virtiofs|9p|tcp',
    help: 'how files get to the guest (default auto: the first that QEMU and kernel can)',
  },
  msize: {
    type: 'string',
    value: 'SIZE',
    help: 'the largest 9P message, as in 64K (default: as large as the transport allows)',
  },
  kernel: { type: 'string', value: 'FILE', help: 'the kernel to boot' },
  append: { type: 'string', value: 'ARGS', help: 'further arguments for the kernel' },
  'qemu-arg': {
    type: 'string',
    multiple: true,
    value: 'ARG',
    help: 'a further argument for QEMU, such as --qemu-arg=-device --qemu-arg=virtio-rng-pci',
  },
  qemu: { type: 'string', value: 'FILE', help: 'the QEMU to use' },
  timeout: {
    type: 'string',
    value: 'SECONDS',
    help: `end the guest after this time, with status ${TimedOut.exitStatus}`,
  },
  sandbox: {
    type: 'string',
    value: 'off|auto|require',
    help: 'confine file servers to what they serve, as far as the kernel can (default auto)',
  },
  verbose: { type: 'boolean', help: "show the guest's console and what the servers log" },
  keep: { type: 'boolean', help: "leave the machine's files where they are" },
} as const satisfies Record<string, Option>

export const run = command({
  summary: 'run a command in a VM whose root is a host directory',
  usage: 'run [OPTION…] [--] [COMMAND [ARG…]]',
  options: flags,
  notes: `${viewNotes}

The exit status is the command's, 128 + n for signal n, ${TimedOut.exitStatus} for --timeout, 125 for a failure of
lowerdir itself. What the guest writes to its root is gone when it ends; shares keep it.
A share is ${SHARE_FORM}.
The first option may follow a colon instead. A comma that is part of DST is written twice. OWNER is UID:GID,
host or mapped-xattr; RANGE is GUEST:HOST:COUNT, as for --map. MODE is what the guest keeps of the files: none;
mmap (the default), names and attributes for a second; loose, everything, for a share that only the guest changes
meanwhile.`,

  async run(values, argv) {
    const progress = new ProgressLine()
    const options = machineOptions(values, argv)
    const { root = '/', rootView = {}, terminal = false } = options
    const line = commandLine(
      root,
      argv,
      values.cwd ?? defaultFolder(root, rootView),
      parseEnvironment(values.env ?? []),
      terminal,
    )
    const timeout =
      values.timeout === undefined ? undefined : parseCount('timeout', values.timeout, 1, 1e6)
    const signal = abortOn(timeout)
    checkDirectories(options)

    const found = await findForPlan(options)
    const { accelerator, reason } = found.accelerator
    if (accelerator === 'tcg' && options.accel !== 'tcg') {
      progress.say(
        `without KVM (${reason}) the guest is emulated: expect it to be 10 to 20 times slower.`,
      )
    }
    const plan = planMachine(options, found)
    const log = (text: string): void => {
      if (values.verbose === true) progress.say(text)
    }
    const hooks: MachineHooks = {
      keep: values.keep ?? false,
      bootTimeout: BOOT_TIMEOUT[accelerator],
      signal,
      onPhase: (phase) => {
        const { transport, reason: why } = found.transport
        const how = phase === 'qemu' ? `, files over ${transport}: ${why}` : ''
        progress.step(`${phases[phase]}${how}`, `(Linux ${found.kernel.release})`)
      },
      onConsoleLine: (text) => log(`| ${text}`),
      log,
    }

    try {
      await using machine = await bootOrExplain(plan, hooks)
      progress.clear()
      if (values.keep === true) progress.say(`the machine's files stay in ${machine.folder}.`)
      const status = await Promise.race([execute(machine, line, terminal), whenAborted(signal)])
      await machine.powerOff()
      return status
    } finally {
      progress.clear()
    }
  },
})

/**
 * What the flags ask of a machine. A command gets a shell and its files, and nothing beside: no init, no network, no screen.
 *
 * @throws UserError for a value that is none.
 */
export function machineOptions(values: Values<typeof flags>, argv: readonly string[]): PlanOptions {
  const { owner, atime } = parsePolicy(values)
  return {
    name: 'lowerdir',
    init: 'none',
    userNetwork: false,
    screen: false,
    // Node's isTTY is undefined for a pipe, for which the planner would take its default.
    terminal: values.tty ?? (argv.length === 0 && isatty(0) && isatty(1)),
    root: resolve(values.root ?? '/'),
    rootOwner: owner,
    rootView: parseView(values),
    atime,
    sandbox: parseChoice('sandbox', values.sandbox ?? 'auto', sandboxModes),
    shares: (values.share ?? []).map((text) => parseShare(text, owner)),
    memory: checkMemory(parseMemory(values.memory ?? '1G')),
    cpus: parseCount('cpus', values.cpus ?? '1', 1, 255),
    accel: parseChoice('accel', values.accel ?? 'auto', ['auto', 'kvm', 'tcg']),
    transport: parseChoice('transport', values.transport ?? 'auto', transportChoices),
    msize: values.msize === undefined ? undefined : parseMsize(values.msize),
    kernel: values.kernel,
    kernelArguments: values.append,
    qemu: values.qemu,
    qemuArguments: values['qemu-arg'],
  }
}

const phases: Readonly<Record<BootPhase, string>> = {
  qemu: 'starting QEMU',
  kernel: 'the kernel is up, mounting the root',
  root: 'the root is mounted, starting the agent',
  ready: 'ready',
}

/** Aborts on a signal to end, or after `timeout` seconds. */
function abortOn(timeout: number | undefined): AbortSignal {
  const signals = abortOnSignals()
  if (timeout === undefined) return signals
  const over = new AbortController()
  const reason = new TimedOut(`--timeout: ended after ${timeout} seconds.`)
  setTimeout(() => over.abort(reason), timeout * 1000).unref()
  return AbortSignal.any([signals, over.signal])
}

function checkMemory(mebibytes: number): number {
  const here = Math.floor(totalmem() / 2 ** 20)
  if (mebibytes < here) return mebibytes
  throw new UserError(
    `--memory asks for ${mebibytes} MiB, and this machine has ${here} MiB in all.`,
  )
}

/** Reports a missing directory before QEMU and the kernel are looked for. */
function checkDirectories({ root = '/', shares = [] }: PlanOptions): void {
  checkDirectory('The root', root)
  for (const { source } of shares) {
    if (typeof source === 'string') checkDirectory('The share', source)
  }
}

async function bootOrExplain(plan: MachinePlan, hooks: MachineHooks): Promise<QemuMachine> {
  try {
    return await QemuMachine.boot(plan, hooks)
  } catch (error) {
    throw error instanceof ErrnoError ? explain('The directory cannot be served', error) : error
  }
}

/** The current directory if the guest has it from the host, else `/`. The guest has its own /dev, /proc, /run and /sys. */
function defaultFolder(root: string, view: ViewPatterns): string {
  const here = process.cwd()
  const seen = root === '/' && !/^\/(dev|proc|run|sys)(\/|$)/.test(here) && shows(view, here)
  return seen ? here : '/'
}

function commandLine(
  root: string,
  argv: readonly string[],
  cwd: string,
  environment: Readonly<Record<string, string>>,
  terminal: boolean,
): CommandLine {
  const term = terminal && process.env['TERM'] !== undefined ? { TERM: process.env['TERM'] } : {}
  const shell = terminal && existsSync(join(root, 'bin/bash')) ? '/bin/bash' : '/bin/sh'
  const env = { ...rootEnvironment, SHELL: shell, ...term, ...environment }
  return { argv: argv.length > 0 ? argv : [shell], env, cwd }
}

async function execute(
  machine: QemuMachine,
  line: CommandLine,
  terminal: boolean,
): Promise<number> {
  if (terminal) return joinTerminal(machine, line, { input: process.stdin, output: process.stdout })
  const guest = machine.run({ ...line, stdin: process.stdin })
  guest.stdout.pipe(process.stdout, { end: false })
  guest.stderr.pipe(process.stderr, { end: false })
  // Like any filter, it ends when its output is closed.
  const unwanted = new Promise<number>((settle) => {
    process.stdout.once('error', () => settle(SIGPIPE_STATUS))
  })
  const over = async (): Promise<number> => {
    const status = await guest.exitStatus
    await Promise.all([guest.stdout, guest.stderr].map(streamEnd))
    return status
  }
  const status = await Promise.race([over(), unwanted])
  guest.stdout.destroy()
  guest.stderr.destroy()
  return status
}
