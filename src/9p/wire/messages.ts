import type { KindName, KindValue } from './kinds.ts'

/** Whether a request changes the tree. A read-only export answers such requests with EROFS. */
export type Changes = 'never' | 'always' | 'by flags'

/** One request and its reply. The reply's type byte is the request's plus one. */
export interface Row {
  readonly type: number
  readonly T: Fields
  readonly R: Fields
  readonly changes: Changes
}

/** A message's fields in wire order. */
export type Fields = Readonly<Record<string, KindName>>

/**
 * 9P2000.L, one row for each request. All that depends on the shape of a message follows from this table: the
 * types, the codec, the session's handlers, the client's methods, trace lines and the tests' generators.
 *
 * Sources: the 9P2000 manual, section 5 (version(5), walk(5), …) for the rows that 9P2000.L kept; diod's
 * protocol.md and Linux's include/net/9p/9p.h and net/9p/client.c for the others. Fields are spelt as there.
 */
export const messages = {
  // statfs(2): size[4] Tstatfs tag[2] fid[4]
  statfs: {
    type: 8,
    T: { fid: 'u32' },
    R: {
      type: 'u32',
      bsize: 'u32',
      blocks: 'u64',
      bfree: 'u64',
      bavail: 'u64',
      files: 'u64',
      ffree: 'u64',
      fsid: 'u64',
      namelen: 'u32',
    },
    changes: 'never',
  },
  // open(2) of the fid's file: fid[4] flags[4]
  lopen: {
    type: 12,
    T: { fid: 'u32', flags: 'u32' },
    R: { qid: 'qid', iounit: 'u32' },
    changes: 'by flags',
  },
  // open(2) with O_CREAT in the directory of fid; fid then stands for the new file: fid[4] name[s] flags[4]
  // mode[4] gid[4]
  lcreate: {
    type: 14,
    T: { fid: 'u32', name: 'string', flags: 'u32', mode: 'u32', gid: 'u32' },
    R: { qid: 'qid', iounit: 'u32' },
    changes: 'always',
  },
  // symlink(2): fid[4] name[s] symtgt[s] gid[4]
  symlink: {
    type: 16,
    T: { dfid: 'u32', name: 'string', symtgt: 'string', gid: 'u32' },
    R: { qid: 'qid' },
    changes: 'always',
  },
  // mknod(2): dfid[4] name[s] mode[4] major[4] minor[4] gid[4]
  mknod: {
    type: 18,
    T: { dfid: 'u32', name: 'string', mode: 'u32', major: 'u32', minor: 'u32', gid: 'u32' },
    R: { qid: 'qid' },
    changes: 'always',
  },
  // rename(2) of the fid's file to name in directory dfid: fid[4] dfid[4] name[s]
  rename: { type: 20, T: { fid: 'u32', dfid: 'u32', name: 'string' }, R: {}, changes: 'always' },
  // readlink(2): fid[4]
  readlink: { type: 22, T: { fid: 'u32' }, R: { target: 'string' }, changes: 'never' },
  // stat(2): fid[4] request_mask[8]
  getattr: {
    type: 24,
    T: { fid: 'u32', mask: 'mask' },
    R: {
      valid: 'mask',
      qid: 'qid',
      mode: 'u32',
      uid: 'u32',
      gid: 'u32',
      nlink: 'size',
      rdev: 'size',
      size: 'size',
      blksize: 'size',
      blocks: 'size',
      atimeSec: 'seconds',
      atimeNsec: 'size',
      mtimeSec: 'seconds',
      mtimeNsec: 'size',
      ctimeSec: 'seconds',
      ctimeNsec: 'size',
      btimeSec: 'seconds',
      btimeNsec: 'size',
      gen: 'size',
      dataVersion: 'size',
    },
    changes: 'never',
  },
  // chmod(2), chown(2), truncate(2), utimensat(2) in one: fid[4] valid[4] …
  setattr: {
    type: 26,
    T: {
      fid: 'u32',
      valid: 'u32',
      mode: 'u32',
      uid: 'u32',
      gid: 'u32',
      size: 'size',
      atimeSec: 'seconds',
      atimeNsec: 'size',
      mtimeSec: 'seconds',
      mtimeNsec: 'size',
    },
    R: {},
    changes: 'always',
  },
  // getxattr(2), or listxattr(2) if name is empty; Tread of newfid gets the value: fid[4] newfid[4] name[s]
  xattrwalk: {
    type: 30,
    T: { fid: 'u32', newfid: 'u32', name: 'string' },
    R: { size: 'size' },
    changes: 'never',
  },
  // setxattr(2) or removexattr(2), made at Tclunk of fid: fid[4] name[s] attr_size[8] flags[4]
  xattrcreate: {
    type: 32,
    T: { fid: 'u32', name: 'string', size: 'u64', flags: 'u32' },
    R: {},
    changes: 'always',
  },
  // getdents(2): fid[4] offset[8] count[4]; the entries are the payload (dirent.ts)
  readdir: {
    type: 40,
    T: { fid: 'u32', offset: 'u64', count: 'u32' },
    R: { data: 'data' },
    changes: 'never',
  },
  // fsync(2), or fdatasync(2) if datasync is not 0: fid[4] datasync[4]
  fsync: { type: 50, T: { fid: 'u32', datasync: 'u32' }, R: {}, changes: 'never' },
  // F_SETLK and F_SETLKW of fcntl(2): fid[4] type[1] flags[4] start[8] length[8] proc_id[4] client_id[s]
  lock: {
    type: 52,
    T: {
      fid: 'u32',
      type: 'u8',
      flags: 'u32',
      start: 'u64',
      length: 'u64',
      procId: 'u32',
      clientId: 'string',
    },
    R: { status: 'u8' },
    changes: 'never',
  },
  // F_GETLK of fcntl(2): fid[4] type[1] start[8] length[8] proc_id[4] client_id[s]
  getlock: {
    type: 54,
    T: {
      fid: 'u32',
      type: 'u8',
      start: 'u64',
      length: 'u64',
      procId: 'u32',
      clientId: 'string',
    },
    R: { type: 'u8', start: 'u64', length: 'u64', procId: 'u32', clientId: 'string' },
    changes: 'never',
  },
  // link(2): dfid[4] fid[4] name[s]
  link: { type: 70, T: { dfid: 'u32', fid: 'u32', name: 'string' }, R: {}, changes: 'always' },
  // mkdir(2): dfid[4] name[s] mode[4] gid[4]
  mkdir: {
    type: 72,
    T: { dfid: 'u32', name: 'string', mode: 'u32', gid: 'u32' },
    R: { qid: 'qid' },
    changes: 'always',
  },
  // renameat(2): olddirfid[4] oldname[s] newdirfid[4] newname[s]
  renameat: {
    type: 74,
    T: { olddirfid: 'u32', oldname: 'string', newdirfid: 'u32', newname: 'string' },
    R: {},
    changes: 'always',
  },
  // unlinkat(2): dirfd[4] name[s] flags[4]
  unlinkat: {
    type: 76,
    T: { dirfid: 'u32', name: 'string', flags: 'u32' },
    R: {},
    changes: 'always',
  },
  // version(5): ends the session before, and begins one: msize[4] version[s]
  version: {
    type: 100,
    T: { msize: 'u32', version: 'string' },
    R: { msize: 'u32', version: 'string' },
    changes: 'never',
  },
  // auth(5), with the .L dialect's n_uname: afid[4] uname[s] aname[s] n_uname[4]
  auth: {
    type: 102,
    T: { afid: 'u32', uname: 'string', aname: 'string', uid: 'u32' },
    R: { aqid: 'qid' },
    changes: 'never',
  },
  // attach(5), with the .L dialect's n_uname: fid[4] afid[4] uname[s] aname[s] n_uname[4]
  attach: {
    type: 104,
    T: { fid: 'u32', afid: 'u32', uname: 'string', aname: 'string', uid: 'u32' },
    R: { qid: 'qid' },
    changes: 'never',
  },
  // flush(5): oldtag[2]
  flush: { type: 108, T: { oldtag: 'u16' }, R: {}, changes: 'never' },
  // walk(5): fid[4] newfid[4] nwname[2] nwname*(wname[s])
  walk: {
    type: 110,
    T: { fid: 'u32', newfid: 'u32', names: 'strings' },
    R: { qids: 'qids' },
    changes: 'never',
  },
  // read(5): fid[4] offset[8] count[4]
  read: {
    type: 116,
    T: { fid: 'u32', offset: 'size', count: 'u32' },
    R: { data: 'data' },
    changes: 'never',
  },
  // write(5): fid[4] offset[8] count[4] data[count]
  write: {
    type: 118,
    T: { fid: 'u32', offset: 'size', data: 'data' },
    R: { count: 'u32' },
    changes: 'always',
  },
  // clunk(5): fid[4]
  clunk: { type: 120, T: { fid: 'u32' }, R: {}, changes: 'never' },
  // remove(5): fid[4]; the fid is gone even if it fails
  remove: { type: 122, T: { fid: 'u32' }, R: {}, changes: 'always' },
} as const satisfies Record<string, Row>

/** Rlerror, the reply to every request that fails: ecode[4], a Linux errno. */
export const RLERROR = 7

export type MessageName = keyof typeof messages

/** Messages whose reply is a payload. It is not copied into a frame. */
export type PayloadMessage = {
  [M in MessageName]: (typeof messages)[M]['R'] extends { readonly data: 'data' } ? M : never
}[MessageName]

export type Decoded<F extends Fields> = { -readonly [Name in keyof F]: KindValue<F[Name]> }

/** The fields of a request. */
export type T<M extends MessageName> = Readonly<Decoded<(typeof messages)[M]['T']>>

/** The fields of the reply. */
export type R<M extends MessageName> = Readonly<Decoded<(typeof messages)[M]['R']>>
