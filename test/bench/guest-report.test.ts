import { describe, expect, it } from 'vitest'
import { ratiosOf, sumsOfLower } from '../../bench/guest/figures.ts'
import { goalOf } from '../../bench/guest/goals.ts'
import { missedTable } from '../../bench/guest/missed.ts'
import { plotGuest } from '../../bench/guest/plot.ts'
import { reportFailures, reportTables, reportText } from '../../bench/guest/guest-report.ts'
import type { Table } from '../../bench/guest/table.ts'
import { median, quotients } from '../../bench/statistics.ts'
import { findCell, results } from './sample-results.ts'

describe('statistics', () => {
  it('takes the middle, or what is between the two in the middle', () => {
    expect(median([9, 1, 2])).toBe(2)
    expect(median([9, 1, 2, 3])).toBe(2.5)
    expect(median([])).toBeNaN()
  })

  it('divides round by round and leaves out what has no partner', () => {
    expect(quotients([4, Number.NaN, 9, 1], [2, 5, 3])).toEqual([2, 3])
  })
})

describe('ratios', () => {
  it('are of one round each, so that a disturbed one says the same', () => {
    expect(ratiosOf(findCell, 'QEMU 9p', 'lowerdir')).toEqual([1.2, 1.2, 1.2])
  })

  it('are of the rounds that a peer was measured in', () => {
    expect(ratiosOf(findCell, 'diod', 'lowerdir')).toEqual([5])
  })
})

describe('the report', () => {
  const [uncached, uncachedCpu, requests, cached] = reportTables(results)
  const named = (title: string): Table => {
    const table = reportTables(results).find((each) => each.title.startsWith(title))
    if (table === undefined) throw new Error(`no table ${title}`)
    return table
  }

  it('marks a ratio that misses its goal, and no other', () => {
    expect(uncached?.heading.slice(2, 6)).toEqual(['QEMU 9p', 'ratio', 'virtiofsd', 'ratio'])
    // Against QEMU 1.3 is the goal, against virtiofsd 1.1.
    expect(uncached?.rows[0]?.slice(2, 6)).toEqual(['1.200', '1.20 ! 1.3', '2.000', '2.00'])
  })

  it('has CPU time in milliseconds', () => {
    expect(uncachedCpu?.rows).toEqual([['find', ...Array(4).fill('400 + 300 + 200')]])
  })

  it('has the floor behind the host: what the system calls of the requests take', () => {
    expect(uncached?.heading.slice(-2)).toEqual(['host', 'floor'])
    // 600 of 10 microseconds and 400 of 5.
    expect(uncached?.rows[0]?.slice(-2)).toEqual(['0.010', '0.008'])
  })

  it('has CPU time for 1,000 requests, of each by its own client', () => {
    expect(requests?.heading).toEqual([
      '',
      '9P',
      'FUSE',
      'lowerdir',
      'QEMU 9p',
      'virtiofsd',
      'diod',
    ])
    expect(requests?.rows).toEqual([
      ['find', '1000', '500', '300 + 200', '300 + 200', '600 + 400', '300 + 200'],
    ])
  })

  it('says what would remain without our server’s time, if a goal is missed', () => {
    // Of our second the guest worked 0.4 s, while virtiofsd took 2 s.
    expect(named('Where the time goes').rows).toEqual([
      [
        'find, cache=none',
        '400',
        '600',
        '1000',
        '400',
        '800',
        '1000',
        '400',
        '1600',
        '500',
        '3.00',
        '5.00',
      ],
    ])
    const fast = {
      ...findCell,
      samples: { ...findCell.samples, 'QEMU 9p': findCell.samples['virtiofsd'] ?? [] },
    }
    expect(missedTable({ ...results, cells: [fast] })).toBeUndefined()
  })

  it('has a profile in microseconds for each request', () => {
    expect(named('The parts of lowerdir').rows[0]?.slice(1)).toEqual(['0.5', '10 %'])
  })

  it('has the CPU time of servers in a round, and marks a share that is too large', () => {
    const { rows } = named('Milliseconds of CPU time of the servers')
    const [name, ...columns] = rows[0] ?? []
    expect(name).toBe('QEMU 11.1, Linux 7.2, 1 virtual CPU, cache=none')
    expect(columns).toEqual(['300', '300', '1.00 ! 0.8'])
  })

  it('has the sums over a lower layer, of the rounds that all its runs have', () => {
    const again = {
      ...findCell,
      condition: 'lower again',
      samples: { ...findCell.samples },
    } as const
    const cells = [{ ...findCell, condition: 'lower' } as const, again]
    const [sum] = sumsOfLower(cells)
    expect(ratiosOf(sum!, 'virtiofsd', 'lowerdir')).toEqual([2, 2, 2])
    expect(sum!.samples['diod']!.map((sample) => sample?.seconds)).toEqual([
      10,
      undefined,
      undefined,
    ])
    const title = 'QEMU 11.1, Linux 7.2, 1 virtual CPU, lower layer, both runs: seconds'
    const table = reportTables({ ...results, cells }).find((each) => each.title === title)
    expect(table?.rows[0]?.slice(1, 6)).toEqual(['2.000', '2.400', '1.20 ! 3.5', '4.000', '2.00'])
  })

  it('says which server failed and why, and has no numbers for it', () => {
    expect(cached?.rows[0]?.slice(4, 6)).toEqual(['-', '-'])
    expect(reportFailures(results)).toEqual([
      'virtiofsd failed at find (QEMU 11.1, Linux 7.2, 1 virtual CPU, cache=loose, second run): permission <denied>',
    ])
    expect(reportText(results)).toContain('permission <denied>')
  })
})

describe('goals', () => {
  it('are higher for a lower layer, and for metadata there are none with cache=loose', () => {
    expect(goalOf('QEMU 9p', 'metadata', 'none')).toBe(1.3)
    expect(goalOf('QEMU 9p', 'metadata', 'lower')).toBe(1.5)
    expect(goalOf('QEMU 9p', 'metadata', 'both')).toBe(3.5)
    expect(goalOf('QEMU 9p', 'metadata', 'loose')).toBeUndefined()
  })

  it('are the same in every cache mode for files that change, and only against the fast peers', () => {
    expect(goalOf('virtiofsd', 'change', 'none')).toBe(1.05)
    expect(goalOf('virtiofsd', 'build', 'cached')).toBe(1.05)
    expect(goalOf('diod', 'change', 'none')).toBeUndefined()
  })
})

describe('the plot', () => {
  const svg = plotGuest(results, findCell.guest)

  it('has a bar for each number that there is a goal for, and no NaN', () => {
    const titles = [...svg.matchAll(/<title>(.*?)<\/title>/g)].map(([, title]) => title)
    expect(titles).toEqual(['find, QEMU 9p: 1.20', 'find, virtiofsd: 2.00', 'find, QEMU 9p: 1.20'])
    expect(svg).not.toContain('NaN')
  })

  it('draws bars as long as ratios are, on a logarithmic axis', () => {
    const [less = 0, more = 0] = [...svg.matchAll(/<rect [^>]*?width="([\d.]+)" height="9"/g)].map(
      ([, width]) => Number(width),
    )
    expect(less / more).toBeCloseTo(Math.log(1.2) / Math.log(2), 1)
  })
})
