import { receiveWithDescriptors } from '../sys/descriptor-passing.ts'
import { discard } from '../sys/files.ts'
import { systemMemory } from '../sys/system-memory.ts'
import type { Readiness, Watched } from '../transport/event-loop.ts'
import { messageOf } from '../util/error.ts'
import { PASSED_BYTES_MAX, type PassedClient, readPassed } from './passed-client.ts'

/** How many clients are taken before the others have their turn. */
const TURNS = 16

/** Takes the clients that another process has accepted (route.ts). */
export class Intake implements Watched {
  readonly fd: number
  readonly #memory = systemMemory(PASSED_BYTES_MAX)
  readonly #onPassed: (fd: number, client: PassedClient) => void
  readonly #log: (line: string) => void
  #isOver = false

  /**
   * @param fd a socket from that process (SOCK_SEQPACKET). It is closed with this process.
   * @param onPassed gets each client and its socket, and owns that unless it throws.
   */
  constructor(
    fd: number,
    onPassed: (fd: number, client: PassedClient) => void,
    log: (line: string) => void,
  ) {
    this.fd = fd
    this.#onPassed = onPassed
    this.#log = log
  }

  get waitsFor(): Readiness {
    return this.#isOver ? 'nothing' : 'read'
  }

  ready(): void {
    try {
      for (let turn = 0; turn < TURNS; turn++) {
        const { bytes, descriptors } = receiveWithDescriptors(
          this.fd,
          this.#memory.address,
          PASSED_BYTES_MAX,
        )
        // The starter ends this process when the other one has ended.
        this.#isOver = bytes === 0
        if (bytes <= 0) return
        this.#taken(bytes, descriptors)
      }
    } catch (error) {
      // No descriptor is left, or the client's session cannot begin here. The others are served on.
      this.#log(`a client could not be taken over: ${messageOf(error)}`)
    }
  }

  close(): void {}

  #taken(bytes: number, descriptors: readonly number[]): void {
    const [fd, ...others] = descriptors
    for (const other of others) discard(other)
    if (fd === undefined) throw new Error('it came without its socket')
    try {
      this.#onPassed(fd, readPassed(this.#memory, bytes))
    } catch (error) {
      discard(fd)
      throw error
    }
  }
}
