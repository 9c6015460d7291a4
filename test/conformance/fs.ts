/**
 * Files as a program sees them, as little of it as the behaviours need. Paths are relative, their
 * parts are byte strings; whatever fails rejects with an error whose `code` is the errno's name.
 */
export interface Fs {
  /** Whether this program may give files away. */
  readonly mayChown: boolean
  /** The same file system, seen from a directory inside. */
  in(directory: string): Fs

  open(path: string, how: How): Promise<File>
  /** What `path` leads to. */
  stat(path: string): Promise<Stat>
  /** What `path` is, be it a symlink. */
  lstat(path: string): Promise<Stat>
  mkdir(path: string, mode?: number): Promise<void>
  rmdir(path: string): Promise<void>
  unlink(path: string): Promise<void>
  rename(from: string, to: string): Promise<void>
  /** Another name for a file; a symlink is not followed. */
  link(existing: string, path: string): Promise<void>
  symlink(target: string, path: string): Promise<void>
  readlink(path: string): Promise<string>
  /** All but `.` and `..`, in any order. */
  readdir(path: string): Promise<Entry[]>
  /** Begins to read a directory, a few names at a time. */
  list(path: string): Promise<Listing>
  chmod(path: string, mode: number): Promise<void>
  /** Of a symlink itself; {@link UNCHANGED} leaves one as it is. */
  lchown(path: string, uid: number, gid: number): Promise<void>
  truncate(path: string, size: number): Promise<void>
  /** A symlink's own. */
  lutimes(path: string, accessed: Time, modified: Time): Promise<void>
  statfs(path: string): Promise<{ bsize: number; blocks: bigint; bfree: bigint; bavail: bigint }>
}

/** A directory of a kernel's, where a program can do more than the {@link Fs} of a 9P client. */
export interface KernelFs extends Fs {
  in(directory: string): KernelFs
  /** An absolute path, for the calls of system.ts. */
  path(path: string): string
  /** Lets another user act. Only root may, and one at a time. */
  as<T>(user: User, act: () => Promise<T>): Promise<T>
}

/** "Leave this one as it is", for {@link Fs.lchown}. */
export const UNCHANGED = 0xffff_ffff

/** In nanoseconds since 1970, the present, or no change. */
export type Time = bigint | 'now' | 'keep'

/** Who acts. */
export interface User {
  readonly uid: number
  readonly gid: number
  readonly groups?: readonly number[]
}

/** How to open. */
export interface How {
  readonly access: 'r' | 'w' | 'rw'
  readonly create?: boolean
  readonly exclusive?: boolean
  readonly truncate?: boolean
  readonly append?: boolean
  readonly directory?: boolean
  readonly noFollow?: boolean
  /** For what is created; 0o644 where nothing is said. */
  readonly mode?: number
}

export interface File {
  /** Up to `length` bytes at `offset`; none at the end of the file. */
  read(offset: number, length: number): Promise<Buffer>
  /** Writes and returns how many bytes. */
  write(offset: number, bytes: Uint8Array): Promise<number>
  truncate(size: number): Promise<void>
  chmod(mode: number): Promise<void>
  chown(uid: number, gid: number): Promise<void>
  utimes(accessed: Time, modified: Time): Promise<void>
  stat(): Promise<Stat>
  sync(): Promise<void>
  datasync(): Promise<void>
  close(): Promise<void>
}

/** A directory that is being read, from its beginning. */
export interface Listing {
  /** The next few names, `.` and `..` among them; none at the end. */
  next(): Promise<Listed[]>
  /** Goes on behind the name with this cookie; 0 begins anew. */
  seek(cookie: bigint): Promise<void>
  close(): Promise<void>
}

export interface Listed extends Entry {
  readonly cookie: bigint
}

export type Kind = 'file' | 'directory' | 'symlink' | 'fifo' | 'socket' | 'other'

export interface Entry {
  readonly name: string
  readonly kind: Kind
}

export interface Stat {
  readonly kind: Kind
  /** Without the bits that say what it is. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly nlink: number
  readonly size: number
  readonly ino: bigint
  /** Of 512 bytes. */
  readonly blocks: number
  /** In nanoseconds. */
  readonly atime: bigint
  readonly mtime: bigint
  readonly ctime: bigint
}
