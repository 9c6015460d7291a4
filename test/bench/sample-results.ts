import type { Cell, GuestKind, GuestResults, Sample } from '../../bench/guest/results.ts'

const guest: GuestKind = { qemu: '11.1', kernel: '7.2', cpus: 1 }

/** What was found when it took this long, round by round; a round without a number was left out. */
function samples(...seconds: (number | undefined)[]): (Sample | undefined)[] {
  return seconds.map((value) =>
    value === undefined
      ? undefined
      : { seconds: value, elapsed: value, guestCpu: 4e8, serverCpu: 3e8, qemuCpu: 2e8 },
  )
}

/** Three rounds of find, in which the second was disturbed for everybody alike. */
export const findCell: Cell = {
  workload: 'find',
  group: 'metadata',
  condition: 'none',
  guest,
  host: [0.01, 0.02, 0.01],
  samples: {
    lowerdir: samples(1, 10, 1),
    'QEMU 9p': samples(1.2, 12, 1.2),
    virtiofsd: samples(2, 20, 2),
    diod: samples(5, undefined, undefined),
  },
  requests: {
    lowerdir: new Map([
      [110, 600],
      [24, 400],
    ]),
    virtiofsd: new Map([[1, 500]]),
  },
  failures: {},
}

/** Results with that cell, and with one that a peer has no numbers of. */
export const results: GuestResults = {
  notes: ['some machine'],
  peers: [
    { name: 'lowerdir', protocol: '9p', what: 'ours' },
    { name: 'QEMU 9p', protocol: '9p', what: 'theirs' },
    { name: 'virtiofsd', protocol: 'fuse', what: 'theirs' },
    { name: 'diod', protocol: '9p', what: 'theirs' },
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
  memory: [{ peer: 'lowerdir', guest, bytes: 64 << 20 }],
  systemCalls: new Map([
    [110, 10_000],
    [24, 5000],
  ]),
  profile: {
    times: {
      looking: 5,
      ring: 1,
      codec: 1,
      session: 1,
      tree: 1,
      sys: 10,
      waking: 30,
      collector: 1,
    },
    requests: new Map([[110, 10]]),
  },
}
