import type { SystemMemory } from '../../sys/system-memory.ts'
import { ProtocolError } from '../../wire/protocol-error.ts'
import type { Chain, ChainServer } from './chain.ts'
import { ChainReply } from './chain-reply.ts'
import { VirtqueueError } from './virtqueue.ts'

/** A device whose requests go to a session. */
interface SessionDevice {
  /** For replies whose chain has more than one iovec. */
  readonly scratch: SystemMemory
}

/** Serves the requests of one chain object: each goes to the session of the chain's device. */
export abstract class SessionChain<D extends SessionDevice> implements ChainServer {
  protected readonly device: D
  protected readonly chain: Chain
  protected readonly reply: ChainReply

  constructor(device: D, chain: Chain) {
    this.device = device
    this.chain = chain
    this.reply = new ChainReply(chain, device.scratch)
  }

  /** @throws VirtqueueError for a request that {@link receive} does not take. */
  serve(): void {
    try {
      this.receive()
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      throw new VirtqueueError(`protocol error ${error.code}: ${error.message}`)
    }
  }

  /** @throws ProtocolError for bytes that are no request, VirtqueueError for a request that cannot be answered. */
  protected abstract receive(): void
}
