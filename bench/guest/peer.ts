import type { Resources } from '../../src/machine/resources.ts'
import type { Program } from '../programs.ts'
import type { FileProtocol } from './requests.ts'

/** What the guest's client may keep: nothing, or everything. */
export type CacheMode = 'none' | 'loose'

export const cacheModes: readonly CacheMode[] = ['none', 'loose']

/** What a peer may need to start. */
export interface PeerWorld {
  /** The folder that every peer serves. */
  readonly tree: string
  /** A private folder for sockets. */
  readonly folder: string
  /** Where our server is to put a profile of itself when it ends, if it is to make one. */
  readonly profile?: string
  readonly programs: Readonly<Record<'diod' | 'virtiofsd', Program>>
  /** Closes what the peer has started. */
  readonly resources: Resources
}

/** One way for a guest to see a folder of the host. */
export interface Peer {
  readonly name: string
  /** What its client in the guest speaks. */
  readonly protocol: FileProtocol
  /** Whether it is so slow, and so far from what there is a goal for, that one round in one guest will do. */
  readonly oneRound?: true
  /** What it is, in a few words, with the versions of what takes part besides QEMU. */
  describe(programs: PeerWorld['programs']): string
  /** Starts its servers, which QEMU is to connect to. */
  start(world: PeerWorld): Promise<StartedPeer>
}

/** A peer whose servers run. */
export interface StartedPeer {
  /** QEMU's arguments for its devices. */
  readonly qemuArguments: readonly string[]
  /** A script for the guest, once after it has booted. */
  readonly prepare: string
  /** The guest's command that mounts it, but for the mount point, which comes last. */
  mount(cache: CacheMode): string
  /** The process that serves; undefined where that is QEMU itself. */
  pid(cache: CacheMode): number | undefined
}

/** The largest message of a Linux client over virtio, in bytes: used for every peer that speaks 9P. */
const MSIZE = 512_000

/** The options of mount(8) for a peer that speaks 9P, after those of its transport. */
export function ninepOptions(cache: CacheMode): string {
  return `version=9p2000.L,msize=${MSIZE},cache=${cache}`
}
