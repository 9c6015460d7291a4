/** Bytes of an Ethernet header: destination, source, type (IEEE 802.3, 3.1.1). What is shorter is no frame. */
export const HEADER_BYTES = 14

/**
 * Most bytes of a frame: what QEMU takes from a network card and gives to one (NET_BUFSIZE in QEMU's
 * include/net/net.h). A guest gets there by a large MTU of its own choice; segments that a network card should
 * cut (GSO) do not come, since `-netdev stream` carries no virtio-net header, without which QEMU does not
 * offer that to the guest (virtio_net_get_features in hw/net/virtio-net.c).
 */
export const FRAME_MAX = 4096 + 65536

/** To whom a frame goes: an address of 48 bits as a number. */
export function destinationOf(frame: Buffer): number {
  return frame.readUIntBE(0, 6)
}

/** Whom a frame says that it is from. */
export function sourceOf(frame: Buffer): number {
  return frame.readUIntBE(6, 6)
}

/** Whether an address stands for several stations, or all: the first bit on the wire (IEEE 802, 8.2). */
export function isGroup(address: number): boolean {
  return (Math.floor(address / 2 ** 40) & 1) === 1
}
