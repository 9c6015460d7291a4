import type { Chain, ChainServer } from './chain.ts'

/** The longest configuration space in bytes (vhost-user.rst, "Virtio device config space"). */
export const CONFIG_BYTES_MAX = 256

/** What a device knows beside its rings, as data fit for JSON. */
export interface DeviceState {
  /** To be called while all of its queues are stopped. */
  save(): unknown
  /**
   * Goes on from what {@link save} has returned, maybe in another process.
   *
   * @throws Error with a sentence for data that are none.
   */
  load(saved: unknown): void
}

/**
 * What one type of virtio device defines. The backend, its queues and their chains know nothing else of it:
 * all types of devices are set up in the same way, and get and answer requests in the same way.
 *
 * All calls come from the thread of the event loop, one at a time.
 */
export interface Device {
  /** The number of its virtqueues, 1 to 256. */
  readonly queues: number
  /** The feature bits of its type (virtio 1.3, chapter 5), without those of the ring and of vhost-user. */
  readonly features: bigint
  /**
   * The content of its configuration space: at most {@link CONFIG_BYTES_MAX} bytes. If it is empty, front
   * ends are not offered to read it.
   */
  readonly config: Uint8Array
  /**
   * Makes the object that serves the requests of `chain`, in the virtqueue with this index. A chain object
   * gets one request after another, so this is called once for each chain object and not for each request.
   */
  serverFor(chain: Chain, queue: number): ChainServer
  /** Set if the device can be saved and go on elsewhere, as when its machine is migrated. */
  readonly state?: DeviceState | undefined
  /**
   * Forgets all requests of the driver, because it has gone, or another one comes. Chains that are not
   * answered yet may be answered until this returns, and not afterwards.
   */
  reset(): void
}
