/** What the guest's client may keep of an export (Documentation/filesystems/9p.rst). */
export const cacheModes = ['none', 'mmap', 'loose'] as const

export type CacheMode = (typeof cacheModes)[number]

/** A 9P export as the guest mounts it. */
export interface GuestMount {
  /** The TCP port at {@link EXPORT_ADDRESS} behind which the export is. */
  readonly port: number
  readonly readOnly: boolean
  readonly cache: CacheMode
  /** Largest message in bytes. */
  readonly msize: number
}

/** Where QEMU's user network forwards connections to the exports' sockets. */
export const EXPORT_ADDRESS = '10.0.2.100'

/** The guest's own address in that network, with its prefix length. */
export const GUEST_ADDRESS = '10.0.2.15/24'

/** The `-o` of the guest's mount(8). */
export function mountOptions({ port, readOnly, cache, msize }: GuestMount): string {
  return [
    'trans=tcp',
    `port=${port}`,
    'version=9p2000.L',
    `msize=${msize}`,
    `cache=${cache}`,
    // Seconds until a process asks again for a lock that it waits for. The server answers when it is free,
    // or after a while in which the process hears no signal; then it does not have to sleep half a minute.
    'locktimeout=1',
    readOnly ? 'ro' : 'rw',
  ].join(',')
}
