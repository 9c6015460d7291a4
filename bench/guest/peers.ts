import type { Peer } from './peer.ts'
import { diod } from './peers/diod.ts'
import { lowerdirTcp } from './peers/lowerdir-tcp.ts'
import { lowerdir9p } from './peers/lowerdir-9p.ts'
import { lowerdirVirtiofs } from './peers/lowerdir-virtiofs.ts'
import { qemu } from './peers/qemu.ts'
import { virtiofsd } from './peers/virtiofsd.ts'

/** All peers. The first is lowerdir over virtio-fs, with which the others are compared. */
export const peers: readonly [ours: Peer, ...Peer[]] = [
  lowerdirVirtiofs,
  virtiofsd,
  qemu,
  lowerdir9p,
  diod,
  lowerdirTcp,
]
