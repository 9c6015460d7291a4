import { ErrnoError, errno } from '../sys/errno.ts'
import { xattr } from './wire/flags.ts'
import { XATTR_NAME_MAX, XATTR_SIZE_MAX } from './wire/limits.ts'
import { type Memory, type Payload, heapMemory, payloadBytes, run } from '../sys/memory.ts'
import type { Node } from '../tree/tree.ts'
import { LimitError } from './session-limits.ts'

/**
 * What a fid of Txattrwalk or Txattrcreate stands for: the value of an extended attribute on its way
 * to or from the client. It takes memory until {@link AttributeValue.close}.
 */
export interface AttributeValue {
  /** @throws EBADF for a value that is being written. */
  read(offset: number, count: number): Payload
  /** @throws EBADF for a value that is being read, EINVAL for bytes that do not follow the last ones. */
  write(offset: number, data: Payload): number
  /** Tclunk: now the attribute is set. @throws EINVAL when bytes are missing, and as setxattr(2). */
  apply(): void
  save(): SavedAttribute
  close(): void
}

/** A value under way as plain data; its bytes are in base64. */
export type SavedAttribute =
  | { readonly kind: 'read'; readonly value: string }
  | {
      readonly kind: 'written'
      readonly name: string
      readonly size: number
      readonly flags: number
      /** What has arrived of it. */
      readonly value: string
    }

/** The memory that a session's values may take, in bytes. */
export class AttributeMemory {
  #left: number

  constructor(most: number) {
    this.#left = most
  }

  /** @throws ENOMEM: it is this server that has no room, and not the host's file system (ENOSPC). */
  take(bytes: number): Memory {
    if (bytes > this.#left) throw new LimitError('xattrBytes', errno.ENOMEM)
    const memory = heapMemory(bytes)
    this.#left -= bytes
    return memory
  }

  giveBack(memory: Memory): void {
    this.#left += memory.bytes.length
  }
}

/** The value of `name`, or the list of all names where that is empty. */
export function readAttribute(
  node: Node,
  name: string,
  room: AttributeMemory,
): AttributeValue & { readonly size: number } {
  const value = name === '' ? node.listXattrs() : node.getXattr(checkAttributeName(name))
  return readable(value, room)
}

function readable(
  value: Uint8Array,
  room: AttributeMemory,
): AttributeValue & { readonly size: number } {
  const memory = room.take(value.length)
  memory.bytes.set(value)
  return {
    size: value.length,
    read(offset, count) {
      const from = Math.min(offset, memory.bytes.length)
      return run(memory, from, Math.min(count, memory.bytes.length - from))
    },
    write: () => refuse('write'),
    apply() {},
    save: () => ({ kind: 'read', value: memory.bytes.toString('base64') }),
    close: () => room.giveBack(memory),
  }
}

/**
 * A value of `size` bytes for `name`, to be written from its beginning to its end. As Linux's client sends
 * it (fs/9p/xattr.c), no bytes and XATTR_REPLACE mean that the attribute is removed.
 *
 * @throws E2BIG above 65536 bytes, EINVAL for flags that setxattr(2) does not know.
 */
export function createAttribute(
  node: Node,
  name: string,
  size: bigint,
  flags: number,
  room: AttributeMemory,
): AttributeValue {
  checkAttributeName(name)
  if ((flags & ~(xattr.CREATE | xattr.REPLACE)) !== 0) {
    throw new ErrnoError(errno.EINVAL, 'xattrcreate flags')
  }
  if (size > BigInt(XATTR_SIZE_MAX)) throw new ErrnoError(errno.E2BIG, 'xattrcreate')
  return writable(node, { name, size: Number(size), flags }, Buffer.alloc(0), room)
}

function writable(
  node: Node,
  { name, size, flags }: { readonly name: string; readonly size: number; readonly flags: number },
  begun: Uint8Array,
  room: AttributeMemory,
): AttributeValue {
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
      if (written === 0 && flags === xattr.REPLACE) node.removeXattr(name)
      else node.setXattr(name, memory.bytes, flags)
    },
    save() {
      const value = memory.bytes.toString('base64', 0, written)
      return { kind: 'written', name, size, flags, value }
    },
    close: () => room.giveBack(memory),
  }
}

/** A value that was saved goes on. @throws ENOMEM where the session may have no more. */
export function reviveAttribute(
  node: Node,
  saved: SavedAttribute,
  room: AttributeMemory,
): AttributeValue {
  const value = Buffer.from(saved.value, 'base64')
  return saved.kind === 'read' ? readable(value, room) : writable(node, saved, value, room)
}

/** @throws ERANGE as xattr(7)'s calls for a name that is empty or too long, EINVAL for one with a NUL. */
function checkAttributeName(name: string): string {
  if (name === '' || name.length > XATTR_NAME_MAX) throw new ErrnoError(errno.ERANGE, 'xattr name')
  if (name.includes('\0')) throw new ErrnoError(errno.EINVAL, 'xattr name')
  return name
}

function refuse(operation: string): never {
  throw new ErrnoError(errno.EBADF, `${operation} of an attribute`)
}
