/**
 * A network of QEMU's that reaches nothing but one unix socket, and the guest's side of it.
 *
 * @param network tells networks of one machine apart: from 3 to 254.
 */
export function forwardedSocket(
  network: number,
  socket: string,
): {
  readonly qemuArguments: readonly string[]
  /** Gives the guest's card its address. */
  readonly prepare: string
  /** Options of mount(8), and the source. */
  readonly options: string
  readonly address: string
} {
  const id = `net${network}`
  const mac = `52:54:00:00:00:${network.toString(16).padStart(2, '0')}`
  const address = `10.0.${network}.100`
  const user = `user,id=${id},net=10.0.${network}.0/24,restrict=on`
  return {
    qemuArguments: [
      '-chardev',
      `socket,id=${id}-socket,path=${socket}`,
      '-netdev',
      `${user},guestfwd=tcp:${address}:564-chardev:${id}-socket`,
      '-device',
      `virtio-net-pci,netdev=${id},mac=${mac},romfile=`,
    ],
    prepare: `for card in /sys/class/net/*; do
  [ "$(cat "$card/address")" = ${mac} ] || continue
  /run/lowerdir/busybox ip link set "\${card##*/}" up
  /run/lowerdir/busybox ip addr add 10.0.${network}.15/24 dev "\${card##*/}"
done`,
    options: 'trans=tcp,port=564',
    address,
  }
}
