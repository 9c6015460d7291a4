import { createHash } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  closeSync,
  copyFileSync,
  ftruncateSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
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

/** A few hundred files of all kinds that a user may have, in every way that differs. */
export function makeTree(path: string, owner: number, modes: readonly number[]): void {
  mkdirSync(path)
  for (let i = 0; i < 20; i++) {
    const folder = join(path, `folder ${i}`)
    mkdirSync(folder)
    for (let j = 0; j < 15; j++) {
      const file = join(folder, `file-${j}`)
      writeFileSync(file, `${i} ${j}\n`.repeat(i * j))
      chownSync(file, owner, owner)
      chmodSync(file, modes[j % modes.length]!)
      utimesSync(file, 1e9 + i, 1e9 + j / 8)
    }
    symlinkSync(`../folder ${(i + 1) % 20}/file-3`, join(folder, 'link'))
    linkSync(join(folder, 'file-1'), join(folder, 'hard link'))
    chownSync(folder, owner, owner)
  }
  symlinkSync('nowhere', join(path, 'dangling'))
  const hole = openSync(join(path, 'hole'), 'w')
  ftruncateSync(hole, 10_000_000)
  writeSync(hole, 'end', 9_000_000)
  closeSync(hole)
  copyFileSync('/bin/ls', join(path, 'program'))
  for (const name of ['hole', 'program', '']) chownSync(join(path, name), owner, owner)
}
