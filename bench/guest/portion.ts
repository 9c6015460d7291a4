import { quote } from '../../src/util/shell.ts'
import type { Program } from '../programs.ts'
import { moduleName, sourceFiles, whole } from './tree.ts'
import type { Portion } from './workload.ts'

/** How many files are created and deleted when a round measures the whole tree. */
const CREATED = 2000

/** Into how many portions the tree is divided: each round measures another one. */
const PARTS = whole.directories

/** How many times as many files are found and listed as are read: with fewer, the start of the program would dominate. */
const LISTED = 2

/**
 * The portion of a round: the whole tree, or a part of it. A part is enough to compare servers, since all
 * files take the same time, and leaves time for more rounds.
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

/** The portion of the tiny tree. */
export function tinyPortion(fio: Program): Portion {
  const first = [moduleName(0)]
  const portion = portionOf(0, false, fio)
  return { ...portion, listed: first, read: first, objects: ['build/part0.o'], files: 2 }
}

/** The size of the portions, in a line. */
export function describePortion(isWhole: boolean): string {
  const share = isWhole ? 1 : PARTS
  const files = sourceFiles(whole)
  const each = isWhole ? 'the same in each round' : 'different ones in each round'
  const listed = isWhole ? files : (files / PARTS) * LISTED
  return (
    `${files} source files; ${listed} of them are found and listed and ${files / share} are read, ${each}; ` +
    `${CREATED / share} files created and deleted, ${whole.project.files / share} files of C compiled`
  )
}
