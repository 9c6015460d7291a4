import type { CacheMode } from '../../src/guest/mount.ts'
import type { Transport } from '../../src/machine/transport.ts'

/**
 * Where a share in a guest is not like a directory of the host. The behaviours named here have to fail
 * there, with an error that `found` matches, and all others to work: what works one day comes off this
 * list, and off docs/conformance.md, which says for each `title` why that is so.
 */
export interface Difference {
  readonly title: string
  readonly behaviours: readonly string[]
  readonly found: RegExp
  /** Whether the behaviours also work now and then. */
  readonly sometimes?: true
  /** Only with these; with all, where nothing is said. */
  readonly caches?: readonly CacheMode[]
  /** Only with the kernels of these Debian suites. */
  readonly suites?: readonly string[]
  /** Only over these. */
  readonly transports?: readonly Transport[]
}

export const differences: readonly Difference[] = [
  {
    title: 'Times are set in whole seconds, from 1970 on',
    behaviours: [
      'times have nanoseconds',
      'times may be before 1970',
      'times before 1970 have nanoseconds',
    ],
    found: /\+ +(0n|1234567890000000000n)/,
    transports: ['9p', 'tcp'],
  },
  {
    title: 'Times are late',
    behaviours: [
      'chmod changes the mode and nothing else',
      'changing the bytes changes the times',
      'each operation changes the times that it should, of the file',
      'an open file and its name have the same attributes',
      'attributes stay with the file',
      'replacing one name of a file changes the ctime that its other name shows',
    ],
    found: /[mc]time|\+ +\d+n/,
    // Where the client's clock and the host's agree by chance, nothing is to be seen.
    sometimes: true,
    caches: ['loose'],
  },
  {
    title: 'A hole counts as blocks',
    behaviours: ['writing beyond the end leaves a hole of zeros'],
    found: /\d+ blocks/,
    caches: ['loose'],
    suites: ['bookworm'],
    transports: ['9p', 'tcp'],
  },
  {
    title: 'A directory that was not read to its end goes on where it was',
    behaviours: [
      'reading a directory goes on where it was told to',
      'a directory is read from the beginning again before its end was reached',
    ],
    found: /strictly (deep-)?equal/,
    // Debian's earlier kernels of the same series seek.
    sometimes: true,
    suites: ['bookworm'],
  },
  {
    title: 'A write is cut at the ends of pages',
    behaviours: ['two processes that append keep their lines whole'],
    found: /found\.every/,
    // The two have to meet in the middle of a line.
    sometimes: true,
    caches: ['none'],
    suites: ['sid'],
    transports: ['9p'],
  },
  {
    title: 'No shared mappings with cache=none',
    behaviours: [
      'a shared mapping and the file are the same',
      'a shared mapping is the same through each name of the file',
      'a file that is open for writing can be mapped shared, for reading alone',
    ],
    found: /mmap: EINVAL/,
    caches: ['none'],
    transports: ['9p', 'tcp'],
  },
  {
    title: 'A shared mapping and reads of the file differ until msync(2)',
    behaviours: ['a shared mapping and the file are the same'],
    found: /- 'mapped'/,
    caches: ['mmap'],
    suites: ['bookworm'],
    transports: ['9p', 'tcp'],
  },
  {
    title: 'Each name of a file has its own mappings',
    behaviours: ['a shared mapping is the same through each name of the file'],
    found: /'text' !== 'next'/,
    caches: ['mmap'],
    transports: ['9p', 'tcp'],
  },
  {
    title: 'A socket has one name',
    behaviours: ['a server is reached through each name of its socket'],
    found: /connect ECONNREFUSED/,
    caches: ['none', 'mmap'],
    transports: ['9p', 'tcp'],
  },
  {
    title: 'No fallocate(2)',
    behaviours: ['space is kept for a file', 'a hole is made into a file'],
    found: /fallocate: EOPNOTSUPP/,
    transports: ['9p', 'tcp'],
  },
  {
    title: 'No O_TMPFILE',
    behaviours: ['a file is made without a name, and given one'],
    found: /open: EOPNOTSUPP/,
    transports: ['9p', 'tcp'],
  },
  {
    title: 'No flags of renameat2(2)',
    behaviours: ['renaming without replacing', 'renaming two names into each other'],
    found: /renameat2: EINVAL/,
    transports: ['9p', 'tcp'],
  },
  {
    title: 'No shared mappings over virtio-fs with cache=none',
    behaviours: [
      'a shared mapping and the file are the same',
      'a shared mapping is the same through each name of the file',
      'a file that is open for reading can be mapped shared',
      'a file that is open for writing can be mapped shared, for reading alone',
    ],
    found: /mmap: ENODEV/,
    caches: ['none'],
    suites: ['bookworm'],
    transports: ['virtiofs'],
  },
]
