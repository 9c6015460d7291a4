import { join } from 'node:path'
import type { FusePolicy } from '../../../src/fuse/caching.ts'
import type { Share } from '../../../src/server/share.ts'
import type { HostPolicy } from '../../../src/tree/host/policy.ts'
import { type DirectoryServer, serveDirectory } from '../directory-server.ts'
import { temporaryDirectory } from '../temporary.ts'
import type { Layout } from '../vhost-user/layouts.ts'
import { type DeviceOptions, VirtualDevice } from '../vhost-user/virtual-device.ts'
import { FuseClient } from './client.ts'
import { DeviceChannel, fsDevice } from './device-channel.ts'

/** How a tree is served unless a test says otherwise. */
export const usualPolicy: FusePolicy = { caching: 'none', remoteLocks: true }

/** An engine that serves a directory both at a unix socket, by 9P, and to virtual machines, by FUSE. */
export interface FuseServer extends DirectoryServer {
  /** A device with this many request queues that is not started yet. It is the test's to close. */
  device(queues?: number, options?: Partial<DeviceOptions>): VirtualDevice
  /** A client that has said INIT, through a device of its own. */
  fuse(queues?: number, layout?: Layout): Promise<FuseClient>
}

export async function serveFuse(
  directory: string,
  policy: Partial<FusePolicy> = {},
  changes: Partial<Share & HostPolicy> = {},
  folder = temporaryDirectory(),
): Promise<FuseServer> {
  const path = join(folder, 'device')
  const server = await serveDirectory(
    directory,
    {
      listen: [
        { kind: 'unix', path: join(folder, 'socket') },
        { kind: 'virtiofs', path, ...usualPolicy, ...policy },
      ],
      ...changes,
    },
    folder,
  )
  const device = (queues?: number, options?: Partial<DeviceOptions>): VirtualDevice =>
    new VirtualDevice(path, { ...fsDevice(queues), ...options })
  const fuse = (queues?: number, layout?: Layout): Promise<FuseClient> =>
    FuseClient.connect(new DeviceChannel(device(queues).start(), layout))
  return { ...server, device, fuse }
}
