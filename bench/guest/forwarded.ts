/**
 * QEMU's user network with restrict=on and a guestfwd to one unix socket, and the guest's side of it.
 *
 * @param network the number of this network within the machine, from 3 to 254.
 */
export function forwardedSocket(
  network: number,
  socket: string,
): {
  readonly qemuArguments: readonly string[]
  /** The script that gives the guest's NIC its address. */
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
    prepare: `for nic in /sys/class/net/*; do
  [ "$(cat "$nic/address")" = ${mac} ] || continue
  /run/lowerdir/busybox ip link set "\${nic##*/}" up
  /run/lowerdir/busybox ip addr add 10.0.${network}.15/24 dev "\${nic##*/}"
done`,
    options: 'trans=tcp,port=564',
    address,
  }
}
