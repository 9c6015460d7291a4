import { ROOT_ID } from '../../src/fuse/wire/limits.ts'
import { openFlags } from '../../src/tree/flags.ts'
import type { FsDriver } from './driver.ts'
import { FILES, fileName } from './folder.ts'

/** The most jobs that any measurement has under way at once. */
export const DEPTH_MAX = 64

/** What folder.ts has made, as a driver knows it: nodes that were looked up, files that are open. */
export interface MountedFolder {
  /** The directory of the small files, and its files. */
  readonly above: number
  readonly files: readonly number[]
  /** The directory that is listed, opened once for each listing that is under way. */
  readonly listed: { readonly node: number; readonly handles: readonly number[] }
  readonly large: { readonly node: number; readonly fh: number }
  /** The directory of new files. */
  readonly made: number
}

/** Looks up and opens everything. */
export function mountFolder(driver: FsDriver): MountedFolder {
  const lookUp = (directory: number, name: string): number =>
    driver.ask('lookup', directory, { name }).entry.nodeid
  const above = lookUp(ROOT_ID, 'files')
  const listed = lookUp(ROOT_ID, 'listed')
  const large = lookUp(ROOT_ID, 'large')
  const folder = {
    above,
    files: Array.from({ length: FILES }, (_, i) => lookUp(above, fileName(i))),
    listed: {
      node: listed,
      handles: Array.from(
        { length: DEPTH_MAX },
        () => driver.ask('opendir', listed, { flags: 0, openFlags: 0 }).fh,
      ),
    },
    large: {
      node: large,
      fh: driver.ask('open', large, { flags: openFlags.RDWR, openFlags: 0 }).fh,
    },
    made: lookUp(ROOT_ID, 'made'),
  }
  driver.clear()
  return folder
}
