import { fioSeconds, fioScript } from './fio.ts'
import type { Workload } from './workload.ts'

/** All workloads in a guest. */
export const workloads: readonly Workload[] = [
  {
    name: 'find',
    group: 'metadata',
    run: ({ listed }) => `find ${sources(listed)} -type f -printf '%s %T@ %p\\n'`,
  },
  { name: 'ls -lR', group: 'metadata', run: ({ listed }) => `ls -lR ${sources(listed)}` },
  {
    name: 'git status',
    group: 'metadata',
    run: ({ listed }) => `git -C source status --short -- ${listed.join(' ')}`,
  },
  {
    name: 'read all files',
    group: 'read',
    run: ({ read }) => `find ${sources(read)} -type f -exec cat {} +`,
  },
  {
    name: 'create and delete',
    group: 'change',
    prepare: () => 'rm -rf created; mkdir created',
    run: ({ files }) => `for ((i = 0; i < ${files}; i++)); do : >created/file-$i; done
rm -r created`,
  },
  {
    name: '4 KiB random read',
    group: 'change',
    run: ({ fio }) => fioScript(fio, 'randread', '4k'),
    seconds: fioSeconds,
  },
  {
    name: '4 KiB random write',
    group: 'change',
    run: ({ fio }) => fioScript(fio, 'randwrite', '4k'),
    seconds: fioSeconds,
  },
  {
    name: '1 MiB sequential read',
    group: 'change',
    run: ({ fio }) => fioScript(fio, 'read', '1M'),
    seconds: fioSeconds,
  },
  {
    name: '1 MiB sequential write',
    group: 'change',
    run: ({ fio }) => fioScript(fio, 'write', '1M'),
    seconds: fioSeconds,
  },
  {
    name: 'C build',
    group: 'build',
    prepare: () => 'make -s -C project clean',
    run: ({ objects }) => `make -s -C project ${objects.join(' ')}`,
  },
]

function sources(modules: readonly string[]): string {
  return modules.map((module) => `source/${module}`).join(' ')
}
