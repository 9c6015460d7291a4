import type { InitDevice } from '../../guest/init.ts'
import { EXPORT_ADDRESS, type GuestMount } from '../../guest/mount.ts'
import type { Export } from '../exports.ts'
import { type Device, value } from './device.ts'
import { NIC } from './nics.ts'
import { FS_MODULE, P9_MODULE, fsDevice, vhostUserDevice } from './vhost-user.ts'

/** A user network that the init script hides from the guest, and a `guestfwd` of it for each export over tcp. */
function exportNetwork(exports: readonly Export[]): Device {
  const forwards = exports.flatMap(({ mount }, i) =>
    mount.transport === 'tcp'
      ? [`guestfwd=tcp:${EXPORT_ADDRESS}:${mount.port}-chardev:${chardev(i)}`]
      : [],
  )
  const netdev = ['user', 'id=exports', 'restrict=on', ...forwards].join(',')
  return { device: ['-netdev', netdev, '-device', `${NIC},netdev=exports`] }
}

/**
 * The exports of a machine. An export is either a virtio device of its own, with the export's server as its backend, or a
 * port of a user network with restrict=on. Neither opens a port of the host, nor gives the guest a network.
 */
export function exportDevices(exports: readonly Export[]): Device[] {
  return [exportNetwork(exports), ...exports.map(exportDevice)]
}

function exportDevice({ socket, mount, use }: Export, index: number): Device {
  const id = chardev(index)
  const common = {
    backend: ['-chardev', `socket,id=${id},path=${value(socket)}`],
    init: initOf(mount, use),
  }
  if (mount.transport === 'tcp') return common
  const isFs = mount.transport === 'virtiofs'
  const device = isFs ? fsDevice(mount.tag) : vhostUserDevice(mount.tag)
  return {
    ...common,
    device: ['-device', `${device},chardev=${id}`],
    sharesMemory: true,
    modules: [isFs ? FS_MODULE : P9_MODULE],
  }
}

function initOf(mount: GuestMount, use: Export['use']): InitDevice {
  if (use === 'upper') return { upper: { mount } }
  return typeof use === 'string' ? { [use]: mount } : { share: { ...mount, ...use } }
}

function chardev(index: number): string {
  return `export${index}`
}
