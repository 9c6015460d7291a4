import type { ColdReads } from '../../../src/tree/host/cold-reads.ts'
import { HostTree } from '../../../src/tree/host/host-tree.ts'
import type { HostPolicy } from '../../../src/tree/host/policy.ts'
import type { ViewPatterns } from '../../../src/tree/view/sight.ts'
import { viewOf } from '../../../src/tree/view/view-tree.ts'
import { ManualTimers } from '../manual-timers.ts'
import { afterwards } from '../temporary.ts'
import { entriesIn, type Dirent } from './directory-entries.ts'
import { FuseProbe, type ProbeOptions } from './fuse-probe.ts'
import { payload, type Target } from './requests.ts'

const HOUR = 3_600_000

interface Others extends ProbeOptions {
  readonly coldReads?: ColdReads
}

/** A session on a host directory, or on a view of it. */
export class FuseHostProbe extends FuseProbe {
  readonly tree: HostTree
  readonly timers: ManualTimers

  /** @param directory a probe for one more session on its tree. */
  constructor(
    directory: string | FuseHostProbe,
    policy: Partial<HostPolicy> & ViewPatterns = {},
    { coldReads, ...options }: Others = {},
  ) {
    const full = { readOnly: false, owner: 'host', atime: 'preserve', ...policy } as const
    const timers = typeof directory === 'string' ? new ManualTimers() : directory.timers
    // To the tree every file is old, see births.ts.
    const now = (): number => Date.now() + HOUR
    const tree =
      typeof directory === 'string'
        ? new HostTree(directory, full, timers.later, coldReads, now)
        : directory.tree
    super(viewOf(tree, policy), options)
    this.tree = tree
    this.timers = timers
    afterwards(() => {
      this.session.close()
      if (typeof directory === 'string') tree.close()
    })
  }

  /** Lets so much time pass that files which have been looked up are held by descriptors. */
  settle(): void {
    this.timers.fire(10)
  }

  /** A file handle for the file at `path`. */
  opened(path: string, flags = 0, target: Target = {}): number {
    return this.open(this.node(path), flags, target)
  }

  write(fh: number, offset: number, content: string): number {
    return this.call('write', { fh, offset, data: payload(content) }).size
  }

  /** One READDIR's entries. */
  entries(nodeid: number, fh: number, offset = 0n, size = 65_536): Dirent[] {
    return entriesIn(this.call('readdir', { fh, offset, size }, { nodeid }).data)
  }

  /** All names of a directory but `.` and `..`, sorted. */
  names(nodeid = 1, size = 65_536): string[] {
    const { fh } = this.call('opendir', {}, { nodeid })
    const names: string[] = []
    for (let offset = 0n; ;) {
      const some = this.entries(nodeid, fh, offset, size)
      if (some.length === 0) break
      names.push(...some.map(({ name }) => name))
      offset = some.at(-1)!.cookie
    }
    this.call('releasedir', { fh }, { nodeid })
    return names.filter((name) => name !== '.' && name !== '..').toSorted()
  }
}
