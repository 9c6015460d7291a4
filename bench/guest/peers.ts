import type { Peer } from './peer.ts'
import { diod } from './peers/diod.ts'
import { lowerdirTcp } from './peers/lowerdir-tcp.ts'
import { lowerdirVhostUser } from './peers/lowerdir-vhost-user.ts'
import { qemu } from './peers/qemu.ts'
import { virtiofsd } from './peers/virtiofsd.ts'

/** All peers. The first is lowerdir, with which the others are compared. */
export const peers: readonly [ours: Peer, ...Peer[]] = [
  lowerdirVhostUser,
  qemu,
  virtiofsd,
  diod,
  lowerdirTcp,
]
