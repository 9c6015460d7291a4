import { VIRTIO_MSIZE } from '../guest/mount.ts'
import { MSIZE_MAX, MSIZE_MIN } from '../9p/wire/limits.ts'
import type { Transport } from './transport.ts'

/** The largest message that Linux's client takes over each transport, in bytes. */
const MOST: Readonly<Record<Transport, number>> = { 'vhost-user': VIRTIO_MSIZE, tcp: MSIZE_MAX }

/**
 * A largest message in bytes that a guest's directories can be mounted with; null leaves it to the transport.
 *
 * @param transport of the machine's directories.
 * @throws RangeError for one that Linux's client refuses, or would replace by a smaller one without telling anybody but
 *   its console (net/9p/client.c).
 */
export function checkMsize(msize: number | null, transport: Transport): number | null {
  const most = MOST[transport]
  if (msize === null || (msize >= MSIZE_MIN && msize <= most)) return msize
  const elsewhere = most < MSIZE_MAX ? `, over tcp up to ${MSIZE_MAX}` : ''
  throw new RangeError(
    `The largest message (msize) cannot have ${msize} bytes: ` +
      `over ${transport} Linux takes ${MSIZE_MIN} to ${most}${elsewhere}.`,
  )
}
