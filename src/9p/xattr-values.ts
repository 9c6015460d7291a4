import { ErrnoError, errno } from '../sys/errno.ts'
import { checkXattrName } from '../session/names.ts'
import { XATTR_SIZE_MAX } from './wire/limits.ts'
import { type Memory, type Payload, fillPayload, heapMemory, payloadBytes } from '../sys/memory.ts'
import { xattrFlags } from '../tree/flags.ts'
import { xattrsOf } from '../tree/groups.ts'
import type { Node } from '../tree/tree.ts'
import { type ClientMemory, heapBytes } from '../session/client-memory.ts'
import { LimitError } from '../session/session-limits.ts'

/**
 * The value of an extended attribute that the client reads or writes, through a fid of Txattrwalk or
 * Txattrcreate. It takes memory until {@link XattrValue.close}.
 */
export interface XattrValue {
  /**
   * Fills `into` from `offset` on and returns the number of bytes. @throws EBADF for a value that is being
   * written.
   */
  read(offset: number, into: Payload): number
  /**
   * Appends `data`. @throws EBADF for a value that is being read, EINVAL for bytes that do not follow the
   * last ones.
   */
  write(offset: number, data: Payload): number
  /** Tclunk: sets the xattr. @throws EINVAL when bytes are missing, and as setxattr(2). */
  apply(): void
  save(): SavedXattr
  close(): void
}

/** An unfinished value as plain data. Its bytes are in base64. */
export type SavedXattr =
  | { readonly kind: 'read'; readonly value: string }
  | {
      readonly kind: 'written'
      readonly name: string
      readonly size: number
      readonly flags: number
      /** The bytes that have arrived. */
      readonly value: string
    }

/** The memory that a session's values may take, in bytes: its own limit, and what all sessions share. */
export class XattrMemory {
  #left: number
  readonly #shared: ClientMemory

  constructor(most: number, shared: ClientMemory) {
    this.#left = most
    this.#shared = shared
  }

  /** @throws ENOMEM: this server has no room. ENOSPC would mean that the host's file system has none. */
  take(bytes: number): Memory {
    if (bytes > this.#left) throw new LimitError('xattrBytes', errno.ENOMEM)
    this.#shared.check(bytes + heapBytes.xattr, errno.ENOMEM)
    const memory = heapMemory(bytes)
    this.#left -= bytes
    this.#shared.count(bytes + heapBytes.xattr)
    return memory
  }

  giveBack(memory: Memory): void {
    this.#left += memory.bytes.length
    this.#shared.count(-memory.bytes.length - heapBytes.xattr)
  }
}

/** The value of `name`, or the list of all names if `name` is empty. */
export function readXattr(
  node: Node,
  name: string,
  room: XattrMemory,
): XattrValue & { readonly size: number } {
  const xattrs = xattrsOf(node)
  const value = name === '' ? xattrs.listXattrs() : xattrs.getXattr(checkXattrName(name))
  return readable(value, room)
}

function readable(value: Uint8Array, room: XattrMemory): XattrValue & { readonly size: number } {
  const memory = room.take(value.length)
  memory.bytes.set(value)
  return {
    size: value.length,
    read(offset, into) {
      const bytes = memory.bytes.subarray(offset, offset + into.length)
      fillPayload(into, bytes)
      return bytes.length
    },
    write: () => refuse('write'),
    apply() {},
    save: () => ({ kind: 'read', value: memory.bytes.toString('base64') }),
    close: () => room.giveBack(memory),
  }
}

/**
 * A value of `size` bytes for `name`. The client writes it from its beginning to its end. No bytes and
 * XATTR_REPLACE mean that the attribute is removed, as Linux's client sends it (fs/9p/xattr.c).
 *
 * @throws E2BIG above 65536 bytes, EINVAL for flags that setxattr(2) does not know.
 */
export function createXattr(
  node: Node,
  name: string,
  size: bigint,
  flags: number,
  room: XattrMemory,
): XattrValue {
  checkXattrName(name)
  if ((flags & ~(xattrFlags.CREATE | xattrFlags.REPLACE)) !== 0) {
    throw new ErrnoError(errno.EINVAL, 'xattrcreate flags')
  }
  if (size > BigInt(XATTR_SIZE_MAX)) throw new ErrnoError(errno.E2BIG, 'xattrcreate')
  return writable(node, { name, size: Number(size), flags }, Buffer.alloc(0), room)
}

function writable(
  node: Node,
  { name, size, flags }: { readonly name: string; readonly size: number; readonly flags: number },
  begun: Uint8Array,
  room: XattrMemory,
): XattrValue {
  const memory = room.take(size)
  memory.bytes.set(begun)
  let written = begun.length
  return {
    read: () => refuse('read'),
    write(offset, data) {
      if (offset !== written || data.length > memory.bytes.length - written) {
        throw new ErrnoError(errno.EINVAL, 'write of an attribute')
      }
      memory.bytes.set(payloadBytes(data), written)
      written += data.length
      return data.length
    },
    apply() {
      if (written < memory.bytes.length) throw new ErrnoError(errno.EINVAL, 'attribute too short')
      if (written === 0 && flags === xattrFlags.REPLACE) xattrsOf(node).removeXattr(name)
      else xattrsOf(node).setXattr(name, memory.bytes, flags)
    },
    save() {
      const value = memory.bytes.toString('base64', 0, written)
      return { kind: 'written', name, size, flags, value }
    },
    close: () => room.giveBack(memory),
  }
}

/** Takes over a saved value. @throws ENOMEM where the session may have no more. */
export function reviveXattr(node: Node, saved: SavedXattr, room: XattrMemory): XattrValue {
  const value = Buffer.from(saved.value, 'base64')
  return saved.kind === 'read' ? readable(value, room) : writable(node, saved, value, room)
}

function refuse(operation: string): never {
  throw new ErrnoError(errno.EBADF, `${operation} of an attribute`)
}
