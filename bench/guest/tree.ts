import { execFileSync } from 'node:child_process'
import { mkdirSync, utimesSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { type ProjectSize, writeProject } from './project.ts'

/** How large a scratch tree is. */
export interface TreeSize {
  /** Directories at the top of `source`; in each are 16 more with 16 files each. */
  readonly directories: number
  /** Bytes of each of the two files in `io`. */
  readonly large: number
  readonly project: ProjectSize
}

/** The tree that is measured: 5,120 source files, the project, and the files that are read in pieces. */
export const whole: TreeSize = {
  directories: 20,
  large: 64 << 20,
  project: { files: 40, functions: 30 },
}

/** A small tree, on which programs run once before they are measured. */
export const tiny: TreeSize = {
  directories: 1,
  large: 1 << 20,
  project: { files: 1, functions: 2 },
}

/** The mtime of all files in seconds: git trusts its index for files that are older than the index. */
const LONG_AGO = 1_600_000_000

/**
 * Fills an empty folder with the files to serve. Their content depends on the size alone:
 *
 *     source/   a git repository of small text files, two levels of directories deep
 *     project/  a C project
 *     io/       two files of real bytes, to be read and written in place
 *
 * @throws Error when git fails.
 */
export async function fillTree(folder: string, size: TreeSize): Promise<void> {
  const source = join(folder, 'source')
  writeSources(source, size.directories)
  commitAll(source)
  writeProject(join(folder, 'project'), size.project)
  mkdirSync(join(folder, 'io'))
  for (const name of ['random', 'sequential'])
    await writeLarge(join(folder, 'io', name), size.large)
}

/** How many source files a tree has. */
export function sourceFiles({ directories }: TreeSize): number {
  return directories * 16 * 16
}

/** A directory of `source`, by its number. */
export function moduleName(number: number): string {
  return `module-${pad(number)}`
}

function writeSources(folder: string, directories: number): void {
  for (let i = 0; i < directories; i++) {
    for (let j = 0; j < 16; j++) {
      const directory = join(folder, moduleName(i), `part-${pad(j)}`)
      mkdirSync(directory, { recursive: true })
      for (let k = 0; k < 16; k++) {
        const path = join(directory, `source-${pad(k)}.txt`)
        writeFileSync(path, text((i * 16 + j) * 16 + k))
        utimesSync(path, LONG_AGO, LONG_AGO)
      }
    }
  }
}

function pad(number: number): string {
  return String(number).padStart(2, '0')
}

/** The text of a file: from half a page to four pages, two on average, like source files. */
function text(seed: number): string {
  const lines = 40 + ((Math.imul(seed, 0x9e3779b1) >>> 16) % 320)
  return Array.from({ length: lines }, (_, i) => `line ${i} of ${seed}: ${i * seed}\n`).join('')
}

/** Commits everything, in one pack, so that the repository is little more than its work tree. */
function commitAll(folder: string): void {
  const git = (...args: string[]): void => {
    execFileSync('git', ['-C', folder, ...args], { stdio: ['ignore', 'ignore', 'inherit'] })
  }
  git('init', '--quiet', '--initial-branch=main')
  // Servers give different inode numbers; git must not read all files again because of that.
  for (const [key, value] of [
    ['user.name', 'bench'],
    ['user.email', 'bench@localhost'],
    ['core.checkStat', 'minimal'],
    ['core.trustctime', 'false'],
    ['gc.auto', '0'],
  ] as const) {
    git('config', key, value)
  }
  git('add', '--all')
  git('commit', '--quiet', '--message=All of it')
  git('repack', '-a', '-d', '--quiet')
}

async function writeLarge(path: string, size: number): Promise<void> {
  const block = Buffer.alloc(1 << 20)
  for (let i = 0; i < block.length; i += 4) block.writeUInt32LE(Math.imul(i, 0x9e3779b1) >>> 0, i)
  await using file = await open(path, 'w')
  for (let at = 0; at < size; at += block.length) await file.write(block, 0, block.length, at)
}
