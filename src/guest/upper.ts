import { quote } from '../util/shell.ts'
import { type GuestMount, mountArguments } from './mount.ts'

/** What holds the guest's upper layer: a disk, or an export. */
export type UpperDevice = UpperDisk | { readonly mount: GuestMount }

/** A disk that holds the upper layer. */
export interface UpperDisk {
  /** As in `/dev/vda`. */
  readonly device: string
  /** Its image on the host, for messages. */
  readonly file: string
  /** Whether the image was empty, so that it may get a file system. */
  readonly isEmpty: boolean
}

/** Shell commands for the guest's init that mount the upper layer's file system at /upper. The lower layer is at /lower. */
export function upperLines(upper: UpperDevice | null): string {
  const made = upper === null ? 'mount -t tmpfs upper /upper\n' : deviceLines(upper)
  return `${made}mkdir -p /upper/upper /upper/work\n`
}

function deviceLines(upper: UpperDevice): string {
  if ('device' in upper) return diskLines(upper)
  return `mount ${mountArguments(upper.mount)} /upper || die 'the directory of the upper layer cannot be mounted'\n`
}

/**
 * A disk that can be mounted is never formatted, also where the host found it empty: another machine may have used it in
 * between. The root's own mke2fs makes the file system if there is one, since busybox's makes none with a journal.
 */
function diskLines({ device, file, isEmpty }: UpperDisk): string {
  const failure = `the disk ${file} is neither empty nor an ext4 file system that can be mounted; it is as it was`
  const make = `{
  if [ -x /lower/sbin/mke2fs ] && mount -o bind /dev /lower/dev; then
    chroot /lower /sbin/mke2fs -q -F -t ext4 -m 0 -E lazy_itable_init=1,lazy_journal_init=1 ${device}
    umount /lower/dev
  fi
  mount_upper || { mke2fs -F -I 256 -m 0 ${device} >/dev/null && mount_upper; }
} || die ${quote(`the disk ${file} cannot be formatted`)}`
  return `mount_upper() { mount -t ext4 -o noatime ${device} /upper 2>/dev/null; }
mount_upper || ${isEmpty ? make : `die ${quote(failure)}`}
`
}
