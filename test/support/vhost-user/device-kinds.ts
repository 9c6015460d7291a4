import { setImmediate as turn } from 'node:timers/promises'
import { limits, payloadBytes } from '../../../src/9p/index.ts'
import type { Listen } from '../../../src/server/share.ts'
import { MOUNT_TAG } from '../../../src/transport/vhost-user/p9-device.ts'
import { requestFrame } from '../frames.ts'
import { fieldsOf } from '../fuse/client.ts'
import { type Asked, linuxInit, requestBytes, type Target } from '../fuse/requests.ts'
import type { MessageName, R } from '../../../src/fuse/wire/messages.ts'
import type { Used } from './driver-queue.ts'
import { linux } from './layouts.ts'
import type { VirtualDevice } from './virtual-device.ts'
import { clientOn } from './virtqueue-stream.ts'

/** How guests call the devices. */
export const TAG = 'the tag'

/** A session on a device, of a driver that does no harm. */
export interface GoodDriver {
  /** The content of the file `file` in the root. */
  read(): Promise<string>
  close(): void
}

/** A type of device, as far as the tests of all types must know it. */
export interface DeviceKind {
  readonly name: string
  /** The feature bits of its type. */
  readonly features: bigint
  listen(path: string): Listen
  /** A request that begins a session. */
  readonly hello: Buffer
  /** Begins a session in queue 0 of a device that was started. */
  begin(device: VirtualDevice): Promise<GoodDriver>
}

export const MSIZE = 8192

export const p9Kind: DeviceKind = {
  name: 'a 9P device',
  features: MOUNT_TAG,
  listen: (path) => ({ kind: 'vhost-user', path, tag: TAG }),
  hello: requestFrame(limits.NOTAG, 'version', { msize: MSIZE, version: limits.VERSION }),
  async begin(device) {
    const client = await clientOn(device, linux, MSIZE)
    await client.call.walk({ fid: 0, newfid: 1, names: ['file'] })
    await client.call.lopen({ fid: 1, flags: 0 })
    return {
      read: async () => {
        const { data } = await client.call.read({ fid: 1, offset: 0, count: 100 })
        return payloadBytes(data).toString()
      },
      close: () => client.close(),
    }
  },
}

export const fsKind: DeviceKind = {
  name: 'a file system device',
  features: 0n,
  listen: (path) => ({ kind: 'virtiofs', path, caching: 'none', remoteLocks: true }),
  hello: requestBytes(1, 'init', linuxInit),
  async begin(device) {
    await fuseCall(device, 'init', linuxInit)
    const { entry } = await fuseCall(device, 'lookup', { name: 'file' })
    const { nodeid } = entry
    const { fh } = await fuseCall(device, 'open', {}, { nodeid })
    return {
      read: async () => {
        const { data } = await fuseCall(device, 'read', { fh, size: 100 }, { nodeid })
        return payloadBytes(data).toString()
      },
      close: () => {},
    }
  },
}

export const deviceKinds = [p9Kind, fsKind] as const

let unique = 0

/** Sends a request of FUSE in queue 0, in which no other one is under way. @throws ErrnoError for an errno. */
async function fuseCall<M extends MessageName>(
  device: VirtualDevice,
  name: M,
  asked: Asked<M>,
  target?: Target,
): Promise<R<M>> {
  const { queue, ram, heap } = device
  const request = requestBytes(++unique, name, asked, target)
  const [from, into] = [heap.need(request.length), heap.need(MSIZE)]
  ram.bytes(from, request.length).set(request)
  queue.add([
    { address: from, length: request.length, isWritable: false },
    { address: into, length: MSIZE, isWritable: true },
  ])
  device.kick()
  const { length } = await given(device, name)
  const reply = Buffer.from(ram.bytes(into, length))
  for (const address of [from, into]) heap.free(address)
  return fieldsOf(name, reply)
}

/** The chain that the device gives back next. @throws Error when there is none for a long time. */
async function given(device: VirtualDevice, what: string): Promise<Used> {
  const end = performance.now() + PATIENCE
  while (performance.now() < end) {
    const used = device.queue.take()
    if (used !== undefined) return used
    await turn()
  }
  throw new Error(`${what} has no answer`)
}

/** How long a device may take for an answer, in milliseconds: it answers at once. */
const PATIENCE = 20_000
