import { fsDevice } from '../../src/machine/devices/vhost-user.ts'
import type { Resources } from '../../src/machine/resources.ts'
import type { Program } from '../programs.ts'
import type { FileProtocol } from './requests.ts'

/**
 * What the guest's client may cache: nothing; everything; or everything of what nobody changes, as of the lower layer of a
 * root, which is mounted `ro,noatime`.
 */
export type CacheMode = 'none' | 'loose' | 'lower'

export const cacheModes: readonly CacheMode[] = ['none', 'loose', 'lower']

/** What a peer gets to start with. */
export interface PeerWorld {
  /** The folder that all peers serve. */
  readonly tree: string
  /** A private folder for sockets. */
  readonly folder: string
  /** The file for a profile of lowerdir's server, written when the server ends; undefined for none. */
  readonly profile?: string
  readonly programs: Readonly<Record<'diod' | 'virtiofsd', Program>>
  /** Gets the servers that the peer starts, and closes them. */
  readonly resources: Resources
}

/** One way for a guest to see a folder of the host. */
export interface Peer {
  readonly name: string
  /** The protocol of its client in the guest. */
  readonly protocol: FileProtocol
  /** What it takes of QEMU and of the guest's kernel; undefined for what all have. */
  readonly transport?: '9p' | 'virtiofs'
  /** Set for a slow peer without goals, which is measured in one round of the first guest only. */
  readonly oneRound?: true
  /** A description in a few words, with the versions of the programs other than QEMU. */
  describe(programs: PeerWorld['programs']): string
  /** Starts its servers, to which QEMU will connect. */
  start(world: PeerWorld): Promise<StartedPeer>
}

/** A peer whose servers run. */
export interface StartedPeer {
  /** QEMU's arguments for its devices. */
  readonly qemuArguments: readonly string[]
  /** A script to run in the guest after its boot; empty for none. */
  readonly prepare: string
  /** The command that mounts it in the guest, without the mount point, which comes last. */
  mount(cache: CacheMode): string
  /** The pid of the server; undefined where QEMU is the server. */
  pid(cache: CacheMode): number | undefined
}

/** The msize of all 9P peers, in bytes: the largest of a Linux client over virtio. */
const MSIZE = 512_000

/**
 * The command that mounts a 9P peer, without what is mounted and where.
 *
 * @param transport options of mount(8).
 */
export function ninepMount(cache: CacheMode, transport: string): string {
  const kept = cache === 'lower' ? 'loose,ro,noatime' : cache
  return `mount -t 9p -o ${transport},version=9p2000.L,msize=${MSIZE},cache=${kept}`
}

/** The command that mounts a peer over virtio-fs, without the mount point. */
export function virtiofsMount(cache: CacheMode, tag: string): string {
  return `mount -t virtiofs ${cache === 'lower' ? '-o ro,noatime ' : ''}${tag}`
}

/** QEMU's arguments for a file system device. */
export function virtiofsDevice(tag: string, socket: string): string[] {
  const id = `chardev-${tag}`
  const device = `${fsDevice(tag)},chardev=${id}`
  return ['-chardev', `socket,id=${id},path=${socket}`, '-device', device]
}
