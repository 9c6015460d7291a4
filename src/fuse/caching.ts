import { opened } from './wire/flags.ts'

/**
 * What the client may keep of a tree.
 *
 * - `none`: nothing. Each access asks the server.
 * - `mmap`: names and attributes for a second, and content as long as the file's size and mtime have not changed.
 * - `loose`: everything for a day, since nobody else changes the tree.
 */
export type Caching = 'none' | 'mmap' | 'loose'

/** What follows from a {@link Caching} for each reply. */
export interface CachingRules {
  /** How long names and attributes are valid, in seconds. */
  readonly validity: number
  /** Whether the client may also remember that a name does not exist. */
  readonly remembersMissing: boolean
  /** FOPEN_* for files and for directories. */
  readonly file: number
  readonly directory: number
  /** Whether the attributes of a directory's entries are worth sending with their names. */
  readonly sendsAttributes: 'never' | 'when the client asks for them' | 'always'
  /** Whether files of a read-only tree may be opened without asking. */
  readonly opensUnasked: boolean
}

const DAY = 86_400

/** One row for each {@link Caching}. */
export const cachingRules: Readonly<Record<Caching, CachingRules>> = {
  none: {
    validity: 0,
    remembersMissing: false,
    file: opened.DIRECT_IO | opened.PARALLEL_DIRECT_WRITES,
    directory: 0,
    sendsAttributes: 'never',
    opensUnasked: false,
  },
  mmap: {
    validity: 1,
    remembersMissing: false,
    file: 0,
    directory: 0,
    sendsAttributes: 'when the client asks for them',
    opensUnasked: false,
  },
  loose: {
    validity: DAY,
    remembersMissing: true,
    file: opened.KEEP_CACHE,
    directory: opened.KEEP_CACHE | opened.CACHE_DIR,
    sendsAttributes: 'always',
    opensUnasked: true,
  },
}

/** How a session serves its tree, beside what the tree itself says. */
export interface FusePolicy {
  readonly caching: Caching
  /** The name of the export, as a 9P client's aname. Default: the export without a name. */
  readonly exportName?: string | undefined
  /**
   * Whether locks of the guest are the server's: other clients, and the host's programs where the export says so, then see
   * them. Otherwise the guest's kernel keeps them to itself.
   */
  readonly remoteLocks: boolean
  /** Whether the guest's kernel may write later what its programs have written (writeback cache). */
  readonly writeback?: boolean | undefined
  /**
   * Whether the guest has extended attributes. Default: true. Otherwise its kernel asks for each kind of request once, and
   * then no more.
   */
  readonly xattrs?: boolean | undefined
  /** Whether the guest's kernel asks for POSIX ACLs and checks permissions by them. */
  readonly acls?: boolean | undefined
}
