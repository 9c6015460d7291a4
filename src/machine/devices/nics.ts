import type { Nic } from '../options.ts'
import type { UserNetwork } from '../plan.ts'
import { type Device, value } from './device.ts'

/**
 * A NIC. `romfile=` keeps the firmware from running the NIC's boot ROM, which takes seconds. `guest_announce=off` keeps a
 * restored guest from announcing itself five times to networks in which it is where it was. (QEMU's announce-rounds=0 would
 * do that too, but QEMU 11.1 crashes with it when the NIC is reset.)
 */
export const NIC = 'virtio-net-pci,romfile=,guest_announce=off'

/** QEMU's name for the user network that the guest may see, as its monitor knows it. */
export const USER_NETDEV = 'user'

/** The guest's NIC on QEMU's user network. */
export function userNic({ restricted, forwards }: UserNetwork): Device {
  const ports = forwards.map(({ host, guest }) => `hostfwd=tcp:127.0.0.1:${host}-:${guest}`)
  const netdev = ['user', `id=${USER_NETDEV}`, `restrict=${restricted ? 'on' : 'off'}`, ...ports]
  const nic = `${NIC},netdev=${USER_NETDEV},id=card-${USER_NETDEV}`
  return {
    device: ['-netdev', netdev.join(','), '-device', nic],
    init: { nic: restricted ? 'user network, restricted' : 'user network' },
  }
}

/** A NIC of the guest that is connected to a switch. */
export function switchNic({ socket, mac }: Nic, index: number): Device {
  const id = `net${index}`
  const netdev = `stream,id=${id},server=off,addr.type=unix,addr.path=${value(socket)}`
  return {
    device: ['-netdev', netdev, '-device', `${NIC},netdev=${id},id=card-${id},mac=${mac}`],
    init: { nic: 'switch' },
  }
}
