/**
 * QEMU's device for vhost-user backends of any kind (hw/virtio/vhost-user-test-device-pci.c). Up to QEMU 10.1 its name was
 * vhost-user-device-pci, and users could not make one.
 */
export const VHOST_USER_DEVICE = 'vhost-user-test-device-pci'

/** The kernel module that drives a 9P device. */
export const P9_MODULE = '9pnet_virtio'

/** The id of 9P devices in virtio (include/uapi/linux/virtio_ids.h). */
const VIRTIO_ID_9P = 9

/** The size of the device's queue: what Linux's driver makes use of (VIRTQUEUE_NUM of trans_virtio.c). */
const QUEUE_SIZE = 128

/**
 * The properties of a 9P device whose backend has the mount tag `tag`. The device's configuration is the tag behind its
 * length in 16 bits (include/uapi/linux/virtio_9p.h), and QEMU asks the backend for exactly this many bytes.
 */
export function vhostUserDevice(tag: string): string {
  const configSize = 2 + Buffer.byteLength(tag)
  return `${VHOST_USER_DEVICE},virtio-id=${VIRTIO_ID_9P},num_vqs=1,vq_size=${QUEUE_SIZE},config_size=${configSize}`
}

/** QEMU's device for virtio-fs backends, since 4.2 (hw/virtio/vhost-user-fs-pci.c). */
export const FS_DEVICE = 'vhost-user-fs-pci'

/** The kernel module that drives such a device. */
export const FS_MODULE = 'virtiofs'

/**
 * QEMU's largest queue. Linux's driver makes larger requests with it: 1 MiB (virtio_fs_get_tree). With QEMU's default of 128,
 * large reads have to wait.
 */
export const FS_QUEUE_SIZE = 1024

/** The properties of a file system device with the mount tag `tag`, which QEMU itself tells the guest. */
export function fsDevice(tag: string): string {
  return `${FS_DEVICE},tag=${tag},queue-size=${FS_QUEUE_SIZE}`
}

/** Memory of the guest that backends can map: QEMU's object, and what `-machine` says of it. */
export function sharedMemory(size: string): { readonly object: string; readonly machine: string } {
  return {
    object: `memory-backend-memfd,id=memory,size=${size},share=on`,
    machine: 'memory-backend=memory',
  }
}
