import { drainEventfd } from '../../sys/eventfd.ts'
import { discard } from '../../sys/files.ts'
import type { Polled, Watched } from '../../server/loop.ts'

/** The eventfd by which a driver says that there are requests (SET_VRING_KICK). It owns it. */
export class Kick implements Watched {
  readonly fd: number
  readonly waitsFor = 'read'
  readonly polled: Polled

  constructor(fd: number, queue: Polled) {
    this.fd = fd
    this.polled = queue
  }

  ready(): void {
    drainEventfd(this.fd)
    this.polled.look()
  }

  close(): void {
    discard(this.fd)
  }
}
