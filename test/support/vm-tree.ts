import { createHash } from 'node:crypto'
import { lstatSync, readFileSync, readdirSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'

/**
 * All that can be told about a tree: a line for each file with its type, mode, owner, links, times
 * and content. Times of access are no part of it: reading for this text changes them.
 */
export function treeState(root: string): string {
  const paths = readdirSync(root, { recursive: true, encoding: 'utf8' }).toSorted()
  return ['', ...paths].map((path) => describe(root, path)).join('\n')
}

function describe(root: string, path: string): string {
  const file = join(root, path)
  const stat = lstatSync(file, { bigint: true })
  const content = stat.isFile()
    ? createHash('sha256').update(readFileSync(file)).digest('hex')
    : stat.isSymbolicLink()
      ? readlinkSync(file)
      : ''
  const { ino, mode, nlink, uid, gid, size, blocks, mtimeNs, ctimeNs } = stat
  const numbers = [ino, nlink, uid, gid, size, blocks, mtimeNs, ctimeNs].join(' ')
  return `${path || '.'} ${mode.toString(8)} ${numbers} ${content}`
}
