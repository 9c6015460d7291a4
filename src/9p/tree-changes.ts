import { ErrnoError, errno } from '../sys/errno.ts'
import { changesFile } from '../tree/flags.ts'
import type { Tree } from '../tree/tree.ts'
import type { FidTable } from './fids.ts'
import type { Message } from './wire/codec.ts'
import { type MessageName, type T, messages } from './wire/messages.ts'

/** Whether a request would change the tree. */
export function changesTree<M extends MessageName>(
  { row }: Message & { name: M },
  request: T<M>,
): boolean {
  if (row.changes !== 'by flags') return row.changes === 'always'
  return changesFile((request as T<'lopen'>).flags)
}

/**
 * Checks that a request may change what its fids stand for.
 *
 * @throws EROFS in a read-only tree, EXDEV where two fids are of different trees, EBADF, ESTALE.
 */
export function checkTree<M extends MessageName>(fids: FidTable, name: M, request: T<M>): void {
  const fields = request as Readonly<Record<string, unknown>>
  let tree: Tree | undefined
  // Tremove gives back a lost fid. Such a fid belongs to no tree.
  if (name === 'remove' && fids.lost.has((request as T<'remove'>).fid)) return
  for (const field of fidFields.get(name) ?? []) {
    const fid = fids.any(fields[field] as number)
    if (tree !== undefined && fid.attached.tree !== tree) throw new ErrnoError(errno.EXDEV, name)
    tree = fid.attached.tree
  }
  if (tree?.readOnly !== true) return
  // remove(5): the fid is gone even if the request fails.
  if (name === 'remove') fids.remove((request as T<'remove'>).fid)
  throw new ErrnoError(errno.EROFS, name)
}

/** For each request, the fields that name the fids it works on. */
const fidFields: ReadonlyMap<string, readonly string[]> = new Map(
  Object.entries(messages).map(([name, { T: fields }]) => [
    name,
    Object.keys(fields).filter((field) => field.endsWith('fid')),
  ]),
)
