import { quote } from '../util/shell.ts'

/** A disk of the guest's that its upper layer is on. */
export interface UpperDevice {
  /** As in `/dev/vda`. */
  readonly device: string
  /** What the host calls it, for its words when it will not do. */
  readonly file: string
  /** Whether there was nothing on it, so that it may get a file system. */
  readonly isEmpty: boolean
}

/** Shell commands for the guest's init that mount what the upper layer is on at /upper. The lower one is at /lower. */
export function upperLines(upper: UpperDevice | null): string {
  const made = upper === null ? 'mount -t tmpfs upper /upper\n' : diskLines(upper)
  return `${made}mkdir -p /upper/upper /upper/work\n`
}

/**
 * A disk that can be mounted is never formatted, whatever it was found to be before: another machine may have had it
 * in between. Its file system is made by the root's own program if that has one, since busybox knows none
 * with a journal.
 */
function diskLines({ device, file, isEmpty }: UpperDevice): string {
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
