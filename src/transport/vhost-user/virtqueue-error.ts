/** The driver does not keep to virtio's rules: its device stops. */
export class VirtqueueError extends Error {
  override readonly name = 'VirtqueueError'
}
