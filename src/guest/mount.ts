/** What the guest's client may keep of an export (Documentation/filesystems/9p.rst). */
export const cacheModes = ['none', 'mmap', 'loose'] as const

export type CacheMode = (typeof cacheModes)[number]

/** A 9P export as the guest mounts it. */
export type GuestMount = TcpMount | VirtioMount

/** An export behind a port of QEMU's user network. */
export interface TcpMount extends MountPolicy {
  readonly transport: 'tcp'
  /** The TCP port at {@link EXPORT_ADDRESS} behind which the export is. */
  readonly port: number
}

/** An export that is a virtio device of its own. */
export interface VirtioMount extends MountPolicy {
  readonly transport: 'virtio'
  /** What the device calls itself: letters, digits and any of . _ - */
  readonly tag: string
}

interface MountPolicy {
  /** Which of a server's exports it is (aname). Default: the one that has no name. */
  readonly name?: string
  readonly readOnly: boolean
  readonly cache: CacheMode
  /** Largest message in bytes. */
  readonly msize: number
  /** For what has no extended attributes: nobody asks for them, as writes do of each file. */
  readonly noXattrs?: boolean
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
 * Largest message in bytes that Linux's client sends over virtio with pages of 4 KiB (maxsize in
 * net/9p/trans_virtio.c): a page for each of its 128 descriptors, but for those of the headers and of a buffer
 * that does not begin with a page. Asked for more, it says so on the console and takes this.
 */
export const VIRTIO_MSIZE = 4096 * (128 - 3)

/** The arguments of a mount(8), for a shell: its options and what it mounts. */
export function mountArguments(mount: GuestMount): string {
  const source = mount.transport === 'tcp' ? EXPORT_ADDRESS : mount.tag
  return `-t 9p -o ${options(mount)} ${source}`
}

function options(mount: GuestMount): string {
  return [
    mount.transport === 'tcp' ? `trans=tcp,port=${mount.port}` : 'trans=virtio',
    ...(mount.name === undefined ? [] : [`aname=${mount.name}`]),
    'version=9p2000.L',
    `msize=${mount.msize}`,
    `cache=${mount.cache}`,
    // Seconds until a process asks again for a lock that it waits for. The server answers when it is free,
    // or after a while in which the process hears no signal; then it does not have to sleep half a minute.
    'locktimeout=1',
    ...(mount.noXattrs === true ? ['noxattr'] : []),
    mount.readOnly ? 'ro' : 'rw',
  ].join(',')
}
