/**
 * What the guest's client may cache of an export. Over 9P as Documentation/filesystems/9p.rst has it, over virtio-fs as
 * fuse/caching.ts.
 */
export const cacheModes = ['none', 'mmap', 'loose'] as const

export type CacheMode = (typeof cacheModes)[number]

/** An export as the guest mounts it. */
export type GuestMount = TcpMount | VirtioMount | VirtiofsMount

/** An export behind a port of QEMU's user network. */
export interface TcpMount extends MountPolicy {
  readonly transport: 'tcp'
  /** The TCP port at {@link EXPORT_ADDRESS} behind which the export is. */
  readonly port: number
}

/** An export that is a virtio file system device. The server decides what the client may cache. */
export interface VirtiofsMount {
  readonly transport: 'virtiofs'
  /** The device's mount tag: letters, digits and any of . _ - */
  readonly tag: string
  readonly readOnly: boolean
}

/** An export that is a 9P device. */
export interface VirtioMount extends MountPolicy {
  readonly transport: 'virtio'
  /** The device's mount tag: letters, digits and any of . _ - */
  readonly tag: string
}

interface MountPolicy {
  /** The name of the export among its server's (aname). Default: the export without a name. */
  readonly name?: string
  readonly readOnly: boolean
  readonly cache: CacheMode
  /** Largest message in bytes. */
  readonly msize: number
  /** For exports without xattrs: Linux then does not ask for them, as it does at each write. */
  readonly noXattrs?: boolean
  /**
   * Whether the guest's client asks for each file's POSIX ACLs, checks permissions by them, and sets them. It costs two
   * requests for each file that it looks up. A kernel without CONFIG_9P_FS_POSIX_ACL ignores it.
   */
  readonly acls?: boolean
}

/** Where QEMU's user network forwards connections to the exports' sockets. */
export const EXPORT_ADDRESS = '10.0.2.100'

/** The guest's own address in the network that its exports are behind, with its prefix length. */
export const EXPORT_GUEST = '10.0.2.15/24'

/** The guest's addresses in QEMU's user network (docs/system/devices/net.rst), as its DHCP would give them. */
export const USER_NETWORK = {
  guest: '10.0.2.15/24',
  gateway: '10.0.2.2',
  nameserver: '10.0.2.3',
} as const

/**
 * The largest message in bytes that Linux's client sends over virtio with pages of 4 KiB (maxsize in
 * net/9p/trans_virtio.c): a page for each of its 128 descriptors, except those of the headers and of a buffer that does not
 * start at a page. Linux replaces a larger size by this one, with a line on the console.
 */
export const VIRTIO_MSIZE = 4096 * (128 - 3)

/** The arguments of a mount(8), for a shell: its options and what it mounts. */
export function mountArguments(mount: GuestMount): string {
  if (mount.transport === 'virtiofs') {
    // A read-only mount keeps attributes after reads; otherwise the access times might have changed.
    return `-t virtiofs -o ${mount.readOnly ? 'ro,noatime' : 'rw'} ${mount.tag}`
  }
  const source = mount.transport === 'tcp' ? EXPORT_ADDRESS : mount.tag
  return `-t 9p -o ${options(mount)} ${source}`
}

function options(mount: TcpMount | VirtioMount): string {
  return [
    mount.transport === 'tcp' ? `trans=tcp,port=${mount.port}` : 'trans=virtio',
    ...(mount.name === undefined ? [] : [`aname=${mount.name}`]),
    'version=9p2000.L',
    `msize=${mount.msize}`,
    `cache=${mount.cache}`,
    // Seconds until Linux asks again for a lock. The server answers when the lock is free, or gives up after a
    // while; the default would make the process then sleep for half a minute.
    'locktimeout=1',
    ...(mount.noXattrs === true ? ['noxattr'] : []),
    ...(mount.acls === true ? ['posixacl'] : []),
    mount.readOnly ? 'ro' : 'rw',
  ].join(',')
}
