import { duplexPair } from 'node:stream'
import { Client } from '../../src/9p/client.ts'
import { NOFID } from '../../src/9p/wire/limits.ts'
import { Control } from '../../src/machine/control/control.ts'

/** A control channel, and a client of it, as a guest has one. */
export class ControlClient {
  readonly control: Control
  readonly client: Client
  #lastFid = 0

  private constructor(control: Control, client: Client) {
    this.control = control
    this.client = client
  }

  /**
   * Connects to a new control channel. Fid 0 is its root.
   *
   * @param buffered how many bytes may be under way on each side; Node's default without it.
   */
  static async connect(msize: number, buffered?: number): Promise<ControlClient> {
    const control = new Control()
    const [ours, theirs] = duplexPair(buffered === undefined ? {} : { highWaterMark: buffered })
    void control.serve(theirs, () => {})
    const client = await Client.connect(ours, msize)
    await client.call.attach({ fid: 0, afid: NOFID, uname: '', aname: '', uid: 0 })
    return new ControlClient(control, client)
  }

  /** What the agent does with a file: walk and open. @returns its fid. */
  async open(flags: number, ...names: string[]): Promise<number> {
    const fid = ++this.#lastFid
    const { qids } = await this.client.call.walk({ fid: 0, newfid: fid, names })
    if (qids.length < names.length) throw new Error(`${names.join('/')} is not there`)
    await this.client.call.lopen({ fid, flags })
    return fid
  }
}
