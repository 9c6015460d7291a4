import { duplexPair } from 'node:stream'
import { Client } from '../../src/9p/client.ts'
import { open } from '../../src/9p/wire/flags.ts'
import { NOFID } from '../../src/9p/wire/limits.ts'
import { RunningGuest } from '../../src/driver/running-guest.ts'
import { Control } from '../../src/machine/control/control.ts'
import type { MachineError } from '../../src/machine/failure.ts'
import type { QemuMachine } from '../../src/machine/qemu-machine.ts'
import { Recorder } from '../../src/record/recorder.ts'
import { memoryOf } from './frames.ts'

/** A machine without QEMU. Its guest does what the test does with {@link client}, and answers nothing by itself. */
export class SilentQemu {
  readonly control = new Control()
  readonly guest: RunningGuest
  client!: Client
  #lastFid = 0
  #end!: (reason: MachineError) => void

  constructor() {
    const ended = new Promise<MachineError>((resolve) => {
      this.#end = resolve
    })
    const { control } = this
    const qemu = {
      ended,
      folder: '/nowhere',
      console: { tail: () => 'the last line', text: '' },
      // A monitor that never answers.
      qmp: Promise.resolve({ execute: () => new Promise(() => {}) }),
      runScript: control.run.bind(control),
      askAgent: control.ask.bind(control),
      get heard() {
        return control.heard
      },
    }
    this.guest = new RunningGuest({
      name: 'm',
      qemu: qemu as unknown as QemuMachine,
      init: 'none',
      accelerator: 'kvm',
      recorder: new Recorder(),
      artifacts: undefined,
      env: {},
      cables: undefined,
      resources: { [Symbol.asyncDispose]: async () => {} },
    })
  }

  /** The guest connects to its control channel. */
  async connect(): Promise<void> {
    const [ours, theirs] = duplexPair({ highWaterMark: 1 << 24 })
    void this.control.serve(theirs, () => {})
    this.control.goOn()
    this.client = await Client.connect(ours, 1 << 17)
    await this.client.call.attach({ fid: 0, afid: NOFID, uname: '', aname: '', uid: 0 })
  }

  /** The guest opens a file. @returns the fid. */
  async open(flags: number, ...names: string[]): Promise<number> {
    const fid = ++this.#lastFid
    await this.client.call.walk({ fid: 0, newfid: fid, names })
    await this.client.call.lopen({ fid, flags })
    return fid
  }

  /** The guest's first slot takes the command that waits. @returns the fids of its outputs. */
  async takeCommand(): Promise<{ readonly stdout: number; readonly stderr: number }> {
    const stdout = await this.open(open.WRONLY, 'slots', '1', 'stdout')
    const stderr = await this.open(open.WRONLY, 'slots', '1', 'stderr')
    const script = await this.open(open.RDONLY, 'slots', '1', 'script')
    await this.client.call.read({ fid: script, offset: 0, count: 8191 })
    return { stdout, stderr }
  }

  async write(fid: number, text: string | Uint8Array): Promise<void> {
    const bytes = Buffer.from(text)
    const data = { memory: memoryOf(bytes), offset: 0, length: bytes.length }
    await this.client.call.write({ fid, offset: 0, data })
  }

  /** The machine ends. */
  end(reason: MachineError): void {
    this.control.end(reason)
    this.#end(reason)
  }
}
