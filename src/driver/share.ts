import { fromText } from '../util/text.ts'
import { type SyntheticDirectory, directory } from '../tree/synthetic/entry.ts'
import { SyntheticTree } from '../tree/synthetic/synthetic-tree.ts'
import type { Tree } from '../tree/tree.ts'
import { type ShareContent, type ShareFile, isContent, isFile, shareFile } from './share-file.ts'

/**
 * Files and directories by their names. A file is its content, a function that returns the content, or a
 * {@link ShareFile}. A directory is another such object; a name with slashes makes directories as well. An object whose
 * properties are all those of a ShareFile is a file.
 */
export interface ShareFiles {
  readonly [name: string]: ShareContent | ShareFile | ShareFiles
}

/**
 * A directory whose files are functions, for a share of one machine or of several. The functions run in this process when
 * a guest reads or writes. They may be slow, and they may fail.
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
 * A function is called once for each open. The size of its file is 0, as in /proc; programs that read to the end get all
 * of the content. A constant has its true size, so that it can be mapped into memory as well. The guest cannot create,
 * rename or remove files.
 *
 * @throws RangeError for a name that no file can have, and for a name that comes twice.
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

/** The directory of that name, made if it does not exist. */
function directoryIn(parent: SyntheticDirectory, name: string, path: string): SyntheticDirectory {
  const key = nameOf(name, path)
  const there = parent.entries.get(key)
  if (there?.kind === 'file') throw twice(name, path)
  const found = there ?? directory()
  parent.entries.set(key, found)
  return found
}

/** A name in the form that the tree uses. @throws RangeError for a name that no file can have. */
function nameOf(name: string, path: string): string {
  const bytes = fromText(name)
  if (!['', '.', '..'].includes(name) && !name.includes('\0') && bytes.length <= 255) return bytes
  throw new RangeError(`share: "${name}" in ${path} is no name for a file.`)
}

function twice(name: string, path: string): RangeError {
  return new RangeError(`share: "${name}" in ${path} is there twice.`)
}
