import { fromText } from '../util/text.ts'
import { type SyntheticDirectory, directory } from '../tree/synthetic/entry.ts'
import { SyntheticTree } from '../tree/synthetic/synthetic-tree.ts'
import type { Tree } from '../tree/tree.ts'
import { type ShareContent, type ShareFile, isContent, isFile, shareFile } from './share-file.ts'

/**
 * Files and directories by their names: a file is its content, a function that gives it, or a {@link ShareFile}; a
 * directory is such an object again, or what comes before a slash in a name. An object with nothing but the properties
 * of a ShareFile is a file.
 */
export interface ShareFiles {
  readonly [name: string]: ShareContent | ShareFile | ShareFiles
}

/**
 * A directory that is made of functions, for a share of one machine or of several. They are called in this process
 * when a guest reads or writes; they may be slow, and they may fail.
 *
 * ```ts
 * const orders: string[] = []
 * const tree = share({
 *   '/hello': () => 'hi\n',
 *   '/logo.png': bytes,
 *   '/spool/orders': { write: (data) => void orders.push(data.toString()) },
 *   '/flaky': { read: 'at last', delay: 200, fault: { error: 'EIO', times: 2 } },
 * })
 * await using vm = await boot({ root, shares: [{ source: tree, target: '/mnt' }] })
 * ```
 *
 * What a function gives is asked for once for each open. Such a file's size is shown as 0, like those in /proc, and
 * programs that read until the end find all of it; a constant's size is shown, so that it can be mapped as well.
 * Nothing can be created, renamed or removed in it.
 *
 * @throws RangeError for a name that no file can have, and for one that is there twice.
 */
export function share(files: ShareFiles): Tree {
  const root = directory()
  fill(root, files, '/')
  return new SyntheticTree(root)
}

function fill(into: SyntheticDirectory, files: ShareFiles, path: string): void {
  for (const [name, value] of Object.entries(files)) {
    const parts = name.replace(/^\//, '').split('/')
    const last = parts.pop() ?? ''
    let parent = into
    for (const part of parts) parent = directoryIn(parent, part, path)
    if (isContent(value) || isFile(value)) {
      const entry = nameOf(last, path)
      if (parent.entries.has(entry)) throw twice(name, path)
      parent.entries.set(entry, shareFile(isContent(value) ? { read: value } : value))
    } else {
      fill(directoryIn(parent, last, path), value, `${path}${name}/`)
    }
  }
}

/** A directory of that name, made where there is none. */
function directoryIn(parent: SyntheticDirectory, name: string, path: string): SyntheticDirectory {
  const key = nameOf(name, path)
  const there = parent.entries.get(key)
  if (there?.kind === 'file') throw twice(name, path)
  const found = there ?? directory()
  parent.entries.set(key, found)
  return found
}

/** A name as the tree has it. */
function nameOf(name: string, path: string): string {
  const bytes = fromText(name)
  if (!['', '.', '..'].includes(name) && !name.includes('\0') && bytes.length <= 255) return bytes
  throw new RangeError(`share: "${name}" in ${path} is no name for a file.`)
}

function twice(name: string, path: string): RangeError {
  return new RangeError(`share: "${name}" in ${path} is there twice.`)
}
