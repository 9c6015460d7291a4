import type { Cell, GuestResults, Sample } from '../../bench/guest/results.ts'

/** What was found when it took this long, round by round; a round without a number was left out. */
function samples(...seconds: (number | undefined)[]): (Sample | undefined)[] {
  return seconds.map((value) =>
    value === undefined
      ? undefined
      : { seconds: value, guestCpu: 40e6, serverCpu: 30e6, qemuCpu: 20e6 },
  )
}

/** Three rounds of find, in which the second was disturbed for everybody alike. */
export const findCell: Cell = {
  workload: 'find',
  group: 'metadata',
  condition: 'none',
  cpus: 1,
  host: [0.01, 0.02, 0.01],
  samples: {
    lowerdir: samples(1, 10, 1),
    'QEMU 9p': samples(3, 30, 3),
    virtiofsd: samples(2, 20, 2),
    diod: samples(5, undefined, undefined),
  },
  failures: {},
}

/** Results with that cell, and with one that a peer has no numbers of. */
export const results: GuestResults = {
  notes: ['some machine'],
  peers: [
    { name: 'lowerdir', what: 'ours' },
    { name: 'QEMU 9p', what: 'theirs' },
    { name: 'virtiofsd', what: 'theirs' },
    { name: 'diod', what: 'theirs' },
  ],
  cells: [
    findCell,
    {
      ...findCell,
      condition: 'cached',
      samples: { ...findCell.samples, virtiofsd: samples(undefined, undefined, undefined) },
      failures: { virtiofsd: 'permission <denied>' },
    },
  ],
  memory: [{ peer: 'lowerdir', cpus: 1, bytes: 64 << 20 }],
}
