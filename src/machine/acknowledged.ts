import { setTimeout as sleep } from 'node:timers/promises'
import { EXPORT_ADDRESS } from '../guest/mount.ts'
import type { Qmp } from './qmp.ts'

/** How long the guest may take, in milliseconds: it puts acknowledgements off for some 40. */
const PATIENCE = 10_000

/** How often QEMU is asked, in milliseconds. */
const LOOK = 2

/**
 * Resolves when the guest has acknowledged all that QEMU's user network has sent it of its exports.
 *
 * What it has not is part of QEMU's saved state, but does not survive it: libslirp reads how much there is in a
 * buffer, and then forgets it when it makes the buffer (sbuf_tmp_post_load in its src/state.c, as of 4.7 to 4.9).
 *
 * @throws Error when the guest takes too long.
 */
export async function whenAcknowledged(qmp: Qmp): Promise<void> {
  const end = performance.now() + PATIENCE
  for (;;) {
    const text = await qmp.execute('human-monitor-command', { 'command-line': 'info usernet' })
    if (unacknowledged(String(text)) === 0) return
    if (performance.now() > end) {
      throw new Error(
        'The guest has not acknowledged what its servers have answered for 10 seconds.',
      )
    }
    await sleep(LOOK)
  }
}

/** How many bytes wait in the connections to exports, from what `info usernet` prints. */
function unacknowledged(text: string): number {
  let waiting = 0
  for (const line of text.split('\n')) {
    // Protocol[State] FD, address and port on both sides, and how much waits on either way.
    const words = line.trim().split(/\s+/)
    if (!line.trim().startsWith('TCP[') || !words.includes(EXPORT_ADDRESS)) continue
    waiting += Number(words.at(-1)) + Number(words.at(-2))
  }
  return waiting
}
