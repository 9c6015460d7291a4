import type { KindName, KindValue } from './kinds.ts'

/** Whether a request changes the tree. A read-only tree answers such requests with EROFS. */
export type Changes = 'never' | 'always' | 'by flags'

/** One request and its reply. */
export interface Row {
  readonly opcode: number
  /** The fields behind the header. */
  readonly T: Fields
  /** The fields of the reply behind its header; null for a request that has none. */
  readonly R: Fields | null
  readonly changes: Changes
  /** The minor version of the protocol, 7.N, that has brought it, where that is later than 5 years ago. */
  readonly since?: number
}

/** A message's fields in wire order. Those whose names begin with `_` have no meaning. */
export type Fields = Readonly<Record<string, KindName>>

const opening = { flags: 'u32', openFlags: 'u32' } as const
const creating = {
  flags: 'u32',
  mode: 'u32',
  umask: 'u32',
  openFlags: 'u32',
  name: 'name',
} as const
const opened = { fh: 'id', openFlags: 'u32', _: 'pad4' } as const
const releasing = { fh: 'id', flags: 'u32', releaseFlags: 'u32', lockOwner: 'u64' } as const
const syncing = { fh: 'id', flags: 'u32', _: 'pad4' } as const
const reading = {
  fh: 'id',
  offset: 'size',
  size: 'u32',
  readFlags: 'u32',
  _lockOwner: 'pad8',
  flags: 'u32',
  _: 'pad4',
} as const
const listing = { ...reading, offset: 'u64' } as const
const locking = {
  fh: 'id',
  owner: 'u64',
  start: 'u64',
  end: 'u64',
  type: 'u32',
  pid: 'u32',
  flags: 'u32',
  _: 'pad4',
} as const
const bytes = { data: 'data' } as const

/**
 * FUSE 7.39 as virtio-fs speaks it, one row for each request. All that depends on the shape of a message follows from this
 * table: the types, the codec, the session's handlers, the client's methods and the tests' generators.
 *
 * Sources: include/uapi/linux/fuse.h and fs/fuse/ of Linux. Fields are spelt as there. A request has a header in front of
 * its fields, see {@link RequestHeader} in codec.ts.
 */
export const messages = {
  // The node of a name in the directory nodeid.
  lookup: { opcode: 1, T: { name: 'name' }, R: { entry: 'entry' }, changes: 'never' },
  // The client drops so many lookups of nodeid.
  forget: { opcode: 2, T: { count: 'id' }, R: null, changes: 'never' },
  getattr: {
    opcode: 3,
    T: { flags: 'u32', _: 'pad4', fh: 'id' },
    R: { attributes: 'attributes' },
    changes: 'never',
  },
  // chmod(2), chown(2), truncate(2), utimensat(2) in one
  setattr: {
    opcode: 4,
    T: {
      valid: 'u32',
      _: 'pad4',
      fh: 'id',
      size: 'size',
      lockOwner: 'u64',
      atimeSec: 'seconds',
      mtimeSec: 'seconds',
      ctimeSec: 'seconds',
      atimeNsec: 'u32',
      mtimeNsec: 'u32',
      ctimeNsec: 'u32',
      mode: 'u32',
      _unused4: 'pad4',
      uid: 'u32',
      gid: 'u32',
      _unused5: 'pad4',
    },
    R: { attributes: 'attributes' },
    changes: 'always',
  },
  readlink: { opcode: 5, T: {}, R: bytes, changes: 'never' },
  symlink: {
    opcode: 6,
    T: { name: 'name', target: 'name' },
    R: { entry: 'entry' },
    changes: 'always',
  },
  mknod: {
    opcode: 8,
    T: { mode: 'u32', rdev: 'u32', umask: 'u32', _: 'pad4', name: 'name' },
    R: { entry: 'entry' },
    changes: 'always',
  },
  mkdir: {
    opcode: 9,
    T: { mode: 'u32', umask: 'u32', name: 'name' },
    R: { entry: 'entry' },
    changes: 'always',
  },
  unlink: { opcode: 10, T: { name: 'name' }, R: {}, changes: 'always' },
  rmdir: { opcode: 11, T: { name: 'name' }, R: {}, changes: 'always' },
  rename: {
    opcode: 12,
    T: { newdir: 'id', oldname: 'name', newname: 'name' },
    R: {},
    changes: 'always',
  },
  // nodeid is the directory of the new name
  link: {
    opcode: 13,
    T: { oldnodeid: 'id', name: 'name' },
    R: { entry: 'entry' },
    changes: 'always',
  },
  open: { opcode: 14, T: opening, R: opened, changes: 'by flags' },
  read: { opcode: 15, T: reading, R: bytes, changes: 'never' },
  write: {
    opcode: 16,
    T: {
      fh: 'id',
      offset: 'size',
      size: 'u32',
      writeFlags: 'u32',
      _lockOwner: 'pad8',
      flags: 'u32',
      _: 'pad4',
      data: 'data',
    },
    R: { size: 'u32', _: 'pad4' },
    changes: 'always',
  },
  statfs: {
    opcode: 17,
    T: {},
    R: {
      blocks: 'u64',
      bfree: 'u64',
      bavail: 'u64',
      files: 'u64',
      ffree: 'u64',
      bsize: 'u32',
      namelen: 'u32',
      frsize: 'u32',
      _: 'pad28',
    },
    changes: 'never',
  },
  release: { opcode: 18, T: releasing, R: {}, changes: 'never' },
  fsync: { opcode: 20, T: syncing, R: {}, changes: 'never' },
  setxattr: {
    opcode: 21,
    T: { size: 'u32', flags: 'u32', name: 'name', value: 'data' },
    R: {},
    changes: 'always',
  },
  // The reply is the value; where `size` is 0, the value's length in 4 bytes and 4 bytes without a meaning.
  getxattr: {
    opcode: 22,
    T: { size: 'u32', _: 'pad4', name: 'name' },
    R: bytes,
    changes: 'never',
  },
  listxattr: { opcode: 23, T: { size: 'u32', _: 'pad4' }, R: bytes, changes: 'never' },
  removexattr: { opcode: 24, T: { name: 'name' }, R: {}, changes: 'always' },
  // close(2) of a descriptor; others may have the same open file.
  flush: { opcode: 25, T: { fh: 'id', _: 'pad8', lockOwner: 'u64' }, R: {}, changes: 'never' },
  init: {
    opcode: 26,
    T: { major: 'u32', minor: 'u32', maxReadahead: 'u32', flags: 'u32', flags2: 'extension' },
    R: {
      major: 'u32',
      minor: 'u32',
      maxReadahead: 'u32',
      flags: 'u32',
      maxBackground: 'u16',
      congestionThreshold: 'u16',
      maxWrite: 'u32',
      timeGran: 'u32',
      maxPages: 'u16',
      mapAlignment: 'u16',
      flags2: 'u32',
      _: 'pad28',
    },
    changes: 'never',
  },
  opendir: { opcode: 27, T: opening, R: opened, changes: 'never' },
  readdir: { opcode: 28, T: listing, R: bytes, changes: 'never' },
  releasedir: { opcode: 29, T: releasing, R: {}, changes: 'never' },
  fsyncdir: { opcode: 30, T: syncing, R: {}, changes: 'never' },
  getlk: {
    opcode: 31,
    T: locking,
    R: { start: 'u64', end: 'u64', type: 'u32', pid: 'u32' },
    changes: 'never',
  },
  setlk: { opcode: 32, T: locking, R: {}, changes: 'never' },
  setlkw: { opcode: 33, T: locking, R: {}, changes: 'never' },
  create: { opcode: 35, T: creating, R: { entry: 'entry', ...opened }, changes: 'always' },
  // A request that waits, by its unique[8], is to be answered at once: EINTR.
  interrupt: { opcode: 36, T: { unique: 'id' }, R: null, changes: 'never' },
  // The file system was unmounted.
  destroy: { opcode: 38, T: {}, R: {}, changes: 'never' },
  batchForget: { opcode: 42, T: { nodes: 'forgotten' }, R: null, changes: 'never' },
  fallocate: {
    opcode: 43,
    T: { fh: 'id', offset: 'size', length: 'size', mode: 'u32', _: 'pad4' },
    R: {},
    changes: 'always',
  },
  readdirplus: { opcode: 44, T: listing, R: bytes, changes: 'never' },
  rename2: {
    opcode: 45,
    T: { newdir: 'id', flags: 'u32', _: 'pad4', oldname: 'name', newname: 'name' },
    R: {},
    changes: 'always',
  },
  lseek: {
    opcode: 46,
    T: { fh: 'id', offset: 'size', whence: 'u32', _: 'pad4' },
    R: { offset: 'size' },
    changes: 'never',
  },
  copyFileRange: {
    opcode: 47,
    T: {
      fh: 'id',
      offset: 'size',
      nodeidOut: 'id',
      fhOut: 'id',
      offsetOut: 'size',
      length: 'id',
      flags: 'u64',
    },
    R: { size: 'u32', _: 'pad4' },
    changes: 'always',
  },
  syncfs: { opcode: 50, T: { _: 'pad8' }, R: {}, changes: 'never', since: 34 },
  tmpfile: {
    opcode: 51,
    T: creating,
    R: { entry: 'entry', ...opened },
    changes: 'always',
    since: 37,
  },
  statx: {
    opcode: 52,
    T: { flags: 'u32', _: 'pad4', fh: 'id', statxFlags: 'u32', mask: 'u32' },
    R: { validSec: 'size', validNsec: 'u32', flags: 'u32', _: 'pad16', statx: 'statx' },
    changes: 'never',
    since: 39,
  },
} as const satisfies Record<string, Row>

export type MessageName = keyof typeof messages

/** Messages whose reply is a payload. It is not copied into the reply. */
export type PayloadMessage = {
  [M in MessageName]: (typeof messages)[M]['R'] extends { readonly data: 'data' } ? M : never
}[MessageName]

/** Messages that have no reply. */
export type SilentMessage = {
  [M in MessageName]: (typeof messages)[M]['R'] extends null ? M : never
}[MessageName]

type Used<F> = { [Name in keyof F as Name extends `_${string}` ? never : Name]: F[Name] }

export type Decoded<F> = {
  readonly [Name in keyof Used<F>]: F[Name & keyof F] extends KindName
    ? KindValue<F[Name & keyof F]>
    : never
}

/** The fields of a request. */
export type T<M extends MessageName> = Decoded<(typeof messages)[M]['T']>

/** The fields of the reply. */
export type R<M extends MessageName> = Decoded<(typeof messages)[M]['R']>
