import { join } from 'node:path'
import type { Share } from '../../../src/server/share.ts'
import type { HostPolicy } from '../../../src/tree/host/policy.ts'
import { type DirectoryServer, serveDirectory } from '../directory-server.ts'
import { temporaryDirectory } from '../temporary.ts'
import { type DeviceKind, p9Kind } from './device-kinds.ts'
import { type DeviceOptions, VirtualDevice } from './virtual-device.ts'

/** An engine that serves a directory both at a unix socket and to virtual machines. */
export interface DeviceServer extends DirectoryServer {
  readonly devicePath: string
  /** A device that is not started yet. It is the test's to close. */
  device(options?: Partial<DeviceOptions>): VirtualDevice
  /** What the log has of the client with this number, after that it connected. */
  said(client: number): string[]
}

/** @param kind the type of its devices. */
export async function serveDevices(
  directory: string,
  changes: Partial<Share & HostPolicy> = {},
  folder = temporaryDirectory(),
  kind: DeviceKind = p9Kind,
): Promise<DeviceServer> {
  const devicePath = join(folder, 'device')
  const server = await serveDirectory(
    directory,
    {
      listen: [{ kind: 'unix', path: join(folder, 'socket') }, kind.listen(devicePath)],
      ...changes,
    },
    folder,
  )
  const device = (options?: Partial<DeviceOptions>): VirtualDevice =>
    new VirtualDevice(devicePath, { features: kind.features, ...options })
  const said = (client: number): string[] => {
    const name = `client ${client}: `
    const lines = server.log.filter((line) => line.startsWith(name))
    return lines.slice(1).map((line) => line.slice(name.length))
  }
  return { ...server, devicePath, device, said }
}
