import type { GuestInit } from '../guest/init.ts'
import type { ChosenAccelerator } from '../machine/accelerator.ts'
import { MachineError } from '../machine/failure.ts'
import type { MachineHooks } from '../machine/hooks.ts'
import type { QemuMachine } from '../machine/qemu-machine.ts'
import { Resources } from '../machine/resources.ts'
import type { MachineParts } from './running-guest.ts'
import { referenceTo } from './owning-test.ts'
import type { BootOptions, NetworkSeat } from './options.ts'
import { Artifacts, artifactsRoot } from '../record/artifacts.ts'
import { Recorder } from '../record/recorder.ts'
import { endWithVitest } from './vitest-context.ts'
import { isDebugging, say, sayAccelerator } from './terminal.ts'

/** What the tests of a machine know of it, whether it was booted or restored. */
export interface MachineIdentity {
  readonly name: string
  readonly init: GuestInit
  readonly accelerator: ChosenAccelerator
  readonly env: Readonly<Record<string, string>>
  readonly seat: NetworkSeat | undefined
  /** Seconds. */
  readonly timeout: number
}

/** The part of {@link BootOptions} that says how a machine is recorded and followed, and not what it is. */
export type WatchOptions = Pick<BootOptions, 'artifacts' | 'test' | 'keep' | 'signal' | 'onPhase'>

/**
 * Starts a machine and gives it what tests need: a record, artifacts, and the end of the console in its errors.
 *
 * @param start starts its QEMU, and what that takes.
 * @param make makes a machine of its parts.
 * @param ready waits until the machine is ready for its test; the guest takes commands already.
 * @throws what `start` and `ready` throw. Nothing is left behind then.
 */
export async function assemble<M>(
  { name, init, accelerator, env, seat, timeout }: MachineIdentity,
  options: WatchOptions,
  start: (hooks: MachineHooks) => Promise<QemuMachine>,
  make: (parts: MachineParts) => M,
  ready: (machine: M) => Promise<void>,
): Promise<M> {
  endWithVitest()
  sayAccelerator(accelerator)
  const resources = new Resources()
  try {
    const folder = artifactsRoot(options.artifacts)
    const artifacts = folder === undefined ? undefined : Artifacts.create(folder, name)
    const recorder = resources.use(new Recorder(artifacts?.path))
    const test = referenceTo(options.test)
    recorder.event({
      kind: 'machine',
      name,
      accelerator: accelerator.accelerator,
      acceleratorReason: accelerator.reason,
      ...(test === undefined ? {} : { test }),
    })
    const qemu = resources.use(
      await start({
        keep: options.keep ?? false,
        bootTimeout: timeout * 1000,
        signal: options.signal ?? new AbortController().signal,
        onPhase: (phase) => {
          recorder.event({ kind: 'phase', phase })
          options.onPhase?.(phase)
        },
        onConsoleLine: (line) => {
          recorder.event({ kind: 'console', line })
          if (isDebugging) say(`${name} | ${line}`)
        },
        log: (line) => {
          if (isDebugging) say(`${name}: ${line}`)
        },
      }),
    )
    recorder.event({ kind: 'qemu', command: qemu.command, version: qemu.version })
    void recordEnd(qemu, recorder)
    const machine = make({
      name,
      qemu,
      init,
      accelerator: accelerator.accelerator,
      recorder,
      artifacts,
      env,
      cables: seat,
      resources,
    })
    await ready(machine)
    recorder.event({ kind: 'ready' })
    return machine
  } catch (error) {
    await resources[Symbol.asyncDispose]()
    throw error instanceof MachineError ? withConsole(name, error) : error
  }
}

async function recordEnd(qemu: QemuMachine, recorder: Recorder): Promise<void> {
  const { message } = await qemu.ended
  recorder.event({ kind: 'ended', reason: message })
}

/** Puts the console's end into the message: runners of tests show nothing else of an error. */
function withConsole(name: string, error: MachineError): MachineError {
  const end = error.console === '' ? '' : `\n--- console\n${error.console}`
  return new MachineError(`${name}: ${error.message}${end}`, error.console)
}
