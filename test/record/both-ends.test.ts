import { existsSync, mkdtempSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { BothEnds, type LeftOut } from '../../src/record/both-ends.ts'
import { temporaryDirectory } from '../support/temporary.ts'

const files = { first: 'first', older: 'older', newest: 'newest' }
const limits = { first: 60, part: 30 }

/** What is in a file of the folder, line by line. */
function linesOf(folder: string, name: keyof typeof files): string[] {
  const path = join(folder, name)
  return existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(0, -1) : []
}

it('has the first and the last lines, and says exactly what is left out', () => {
  const root = temporaryDirectory()
  fc.assert(
    fc.property(fc.array(fc.nat(20), { maxLength: 40 }), (lengths) => {
      const folder = mkdtempSync(join(root, 'case-'))
      const lines = lengths.map((length, index) => `${index}`.padEnd(length, 'x'))
      using both = new BothEnds(folder, files, limits, (leftOut) => JSON.stringify(leftOut))
      for (const line of lines) both.add(line)

      const [first, older, newest] = [
        linesOf(folder, 'first'),
        linesOf(folder, 'older'),
        linesOf(folder, 'newest'),
      ]
      // A part that is not the first of the end begins with the count.
      const [gap] = older[0]?.startsWith('{') === true ? older.splice(0, 1) : []
      const { lines: lost, bytes } = JSON.parse(gap ?? '{"lines":0,"bytes":0}') as LeftOut
      if (newest[0]?.startsWith('{') === true) newest.splice(0, 1)
      const end = [...older, ...newest]
      expect(first).toEqual(lines.slice(0, first.length))
      expect(end).toEqual(lines.slice(first.length + lost))
      const gone = lines.slice(first.length, first.length + lost)
      expect(bytes).toBe(gone.reduce((sum, line) => sum + line.length + 1, 0))
    }),
  )
})
