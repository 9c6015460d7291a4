import type { Chain, ChainServer } from './chain.ts'

/** The longest configuration space in bytes (vhost-user.rst, "Virtio device config space"). */
export const CONFIG_BYTES_MAX = 256

/**
 * What makes a virtio device the device that it is. The backend, its queues and their chains know nothing else of it: how
 * front ends set a device up, and how requests come and go, is the same for all devices.
 *
 * All calls come from the one thread of the event loop, and none while another is under way.
 */
export interface Device {
  /** How many virtqueues it has, 1 to 256. */
  readonly queues: number
  /** The feature bits of its kind (virtio 1.3, chapter 5), without those of the ring and of vhost-user. */
  readonly features: bigint
  /**
   * What drivers read from its configuration space: {@link CONFIG_BYTES_MAX} bytes at most. A device without one has no
   * bytes, and front ends are then not offered to read any.
   */
  readonly config: Uint8Array
  /**
   * What is to serve the requests that come by `chain` in the virtqueue with this index. A chain has one request after
   * another, so this is called once for each chain and not for each request.
   */
  serverFor(chain: Chain, queue: number): ChainServer
  /**
   * Forgets all that drivers have asked for: another driver comes, or none. Chains that are not answered yet may be
   * answered until this returns, and not any more afterwards.
   */
  reset(): void
}
