import { describe, expect, it } from 'vitest'
import { countsOf, total } from '../../bench/guest/requests.ts'

/** As Linux 7.2 prints it: a root that has been there all the time, and the mount that is measured. */
function histogram(root: number, walks: number, reads: number): string {
  const row = (client: string, type: number, count: number): string =>
    `{ clnt: ${client}, type: ${String(type).padStart(10)} } hitcount: ${String(count).padStart(10)}\n`
  return `# event histogram
#
# trigger info: hist:keys=clnt,type:vals=hitcount:sort=hitcount:size=2048 [active]
#

${row('18381020915449088064', 100, 1)}${row('18381020915449084160', 110, root)}${
    row('18381020915449088064', 110, walks) +
    (reads === 0 ? '' : row('18381020915449088064', 116, reads))
  }
Totals:
    Hits: 1
`
}

describe('requests that a guest has counted', () => {
  it('are those of each run, of the mount that has begun meanwhile and of no other', () => {
    const output = `${histogram(50, 2, 0)}bench: start
what fio says: { "jobs": [] }
bench: end 5
${histogram(70, 12, 3)}${histogram(90, 13, 3)}bench: start
bench: end 5
${histogram(95, 14, 3)}`
    const counts = countsOf('9p', output)
    expect(counts.map((each) => [each.get(110), each.get(116)])).toEqual([
      [10, 3],
      [1, 0],
    ])
    expect(counts.map(total)).toEqual([13, 1])
  })

  it('are none where the kernel has no tracepoint', () => {
    expect(countsOf('fuse', 'bench: start\nbench: end 5\n')).toEqual([])
  })
})
