/** Bytes of an Ethernet header: destination, source, type (IEEE 802.3, 3.1.1); the least size of a frame. */
export const HEADER_BYTES = 14

/**
 * The largest frame in bytes: what QEMU takes from a NIC and gives to one (NET_BUFSIZE in QEMU's include/net/net.h).
 * A guest sends such frames only if it sets a large MTU. Segments that the NIC has to cut (GSO) never arrive: they need
 * a virtio-net header, `-netdev stream` carries none, and QEMU then does not offer GSO to the guest
 * (virtio_net_get_features in hw/net/virtio-net.c).
 */
export const FRAME_MAX = 4096 + 65536

/** The destination address of a frame: 48 bits as a number. */
export function destinationOf(frame: Buffer): number {
  return frame.readUIntBE(0, 6)
}

/** The source address of a frame, which the guest may have forged. */
export function sourceOf(frame: Buffer): number {
  return frame.readUIntBE(6, 6)
}

/** Whether it is a group address, multicast or broadcast: the first bit on the wire (IEEE 802, 8.2). */
export function isGroup(address: number): boolean {
  return (Math.floor(address / 2 ** 40) & 1) === 1
}
