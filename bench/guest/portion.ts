import { quote } from '../../src/guest/quote.ts'
import type { Program } from '../programs.ts'
import { sourceFiles, whole } from './tree.ts'
import type { Portion } from './workload.ts'

/** How many files are created and deleted when a round is about everything. */
const CREATED = 2000

/** What a small portion is of the whole: each round is about another one. */
const PARTS = whole.directories

/**
 * What a round is about: all of the tree, or a twentieth of it. That is enough to compare servers, for
 * each file takes as much as any other, and leaves time to compare them more than once.
 */
export function portionOf(round: number, isWhole: boolean, { command, args }: Program): Portion {
  const parts = isWhole ? Array.from({ length: PARTS }, (_, i) => i) : [(round + PARTS) % PARTS]
  const objects = whole.project.files / PARTS
  return {
    modules: parts.map((part) => `module-${String(part).padStart(2, '0')}`),
    objects: parts.flatMap((part) =>
      Array.from({ length: objects }, (_, i) => `build/part${part * objects + i}.o`),
    ),
    files: (CREATED / PARTS) * parts.length,
    fio: [command, ...args].map(quote).join(' '),
  }
}

/** What of the tiny tree there is of each kind. */
export function tinyPortion(fio: Program): Portion {
  return { ...portionOf(0, false, fio), objects: ['build/part0.o'], files: 2 }
}

/** How much that is, in a line. */
export function describePortion(isWhole: boolean): string {
  const share = isWhole ? 1 : PARTS
  const files = sourceFiles(whole)
  const which = isWhole ? 'all' : `${files / share}, in each round others,`
  return (
    `${files} source files, of which ${which} are found, listed and read; ` +
    `${CREATED / share} files created and deleted, ${whole.project.files / share} files of C compiled`
  )
}
