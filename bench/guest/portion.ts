import { quote } from '../../src/util/shell.ts'
import type { Program } from '../programs.ts'
import { moduleName, sourceFiles, whole } from './tree.ts'
import type { Portion } from './workload.ts'

/** How many files are created and deleted when a round is about everything. */
const CREATED = 2000

/** What a small portion is of the whole: each round is about another one. */
const PARTS = whole.directories

/** How many times as many files are found and listed: as few as are read take no longer than the programs' start. */
const LISTED = 2

/**
 * What a round is about: all of the tree, or a part of it. That is enough to compare servers, for each
 * file takes as much as any other, and leaves time to compare them more than once.
 */
export function portionOf(round: number, isWhole: boolean, { command, args }: Program): Portion {
  const all = Array.from({ length: PARTS }, (_, i) => i)
  const own = (round + PARTS) % PARTS
  const parts = isWhole ? all : [own]
  const listed = isWhole ? all : all.slice(0, LISTED).map((i) => (own * LISTED + i) % PARTS)
  const objects = whole.project.files / PARTS
  return {
    listed: listed.map(moduleName),
    read: parts.map(moduleName),
    objects: parts.flatMap((part) =>
      Array.from({ length: objects }, (_, i) => `build/part${part * objects + i}.o`),
    ),
    files: (CREATED / PARTS) * parts.length,
    fio: [command, ...args].map(quote).join(' '),
  }
}

/** What of the tiny tree there is of each kind. */
export function tinyPortion(fio: Program): Portion {
  const first = [moduleName(0)]
  const portion = portionOf(0, false, fio)
  return { ...portion, listed: first, read: first, objects: ['build/part0.o'], files: 2 }
}

/** How much that is, in a line. */
export function describePortion(isWhole: boolean): string {
  const share = isWhole ? 1 : PARTS
  const files = sourceFiles(whole)
  const each = isWhole ? 'in each round' : 'in each round others'
  const listed = isWhole ? files : (files / PARTS) * LISTED
  return (
    `${files} source files, of which ${listed} are found and listed and ${files / share} read, ${each}; ` +
    `${CREATED / share} files created and deleted, ${whole.project.files / share} files of C compiled`
  )
}
