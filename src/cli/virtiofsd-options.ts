import { parseArgs } from 'node:util'
import type { Caching } from '../fuse/caching.ts'
import type { SandboxMode } from '../server/sandbox.ts'
import type { Ownership } from '../tree/host/owners.ts'
import {
  type IdMaps,
  noIdMaps,
  ownershipOf,
  parseNamespaceMap,
  parseTranslation,
} from './virtiofsd-ids.ts'
import { UserError } from './user-error.ts'
import { splitAtCommas } from './values.ts'

/** How much is printed on standard error. */
export type LogLevel = 'off' | 'error' | 'warn' | 'info'

/** Where the front end connects. */
export type Socket =
  | { readonly kind: 'path'; readonly path: string; readonly group: string | undefined }
  | { readonly kind: 'fd'; readonly fd: number }

/** What a command line of virtiofsd asks for. */
export interface VirtiofsdRequest {
  readonly directory: string
  readonly socket: Socket
  readonly caching: Caching
  readonly readOnly: boolean
  readonly writeback: boolean
  readonly xattrs: boolean
  readonly acls: boolean
  /** Whether locks are the server's; otherwise the guest's kernel keeps them. */
  readonly remoteLocks: boolean
  /** The tag, for front ends that ask for it. */
  readonly tag: string | undefined
  readonly owner: Ownership
  readonly sandbox: SandboxMode
  /** The most descriptors of files; undefined for half of those that the process may have. */
  readonly descriptors: number | undefined
  readonly level: LogLevel
  /** What is done in another way than virtiofsd does it, one sentence each. */
  readonly warnings: readonly string[]
}

/** A command line of virtiofsd, understood. */
export type VirtiofsdCommand =
  | { readonly kind: 'help' | 'version' | 'capabilities' }
  | { readonly kind: 'serve'; readonly request: VirtiofsdRequest }

/** What the options have set so far. */
interface Draft {
  directory?: string
  socketPath?: string
  socketGroup?: string
  fd?: number
  caching: Caching
  allowsMmap: boolean
  readOnly: boolean
  writeback: boolean
  xattrs: boolean
  acls: boolean
  flock: boolean
  posixLocks: boolean
  tag?: string
  ids: IdMaps
  sandbox: SandboxMode
  descriptors?: number
  level: LogLevel
  /** By the option that each is about, so that the last one of an option counts. */
  warnings: Map<string, string>
  only?: 'help' | 'version' | 'capabilities'
}

/** One option of virtiofsd. */
interface Row {
  /** The letter of a short form. */
  readonly short?: string
  /** The placeholder for its value; without, it takes none. */
  readonly value?: string
  /** What it does here. */
  readonly help: string
  /** @param value the empty string for an option without a value. */
  set(draft: Draft, value: string): void
}

/** A value that an option cannot have. */
class BadValue extends Error {
  override readonly name = 'BadValue'
}

function oneOf<T>(value: string, choices: Readonly<Record<string, T>>): T {
  if (Object.hasOwn(choices, value)) return choices[value] as T
  throw new BadValue(`use one of ${Object.keys(choices).join(', ')}`)
}

function count(value: string): number {
  const number = Number(value)
  if (!/^\d+$/.test(value) || !Number.isSafeInteger(number)) {
    throw new BadValue('use a whole number')
  }
  return number
}

/** An option whose effect is here whether it is given or not. */
function alike(help: string): Row {
  return { help, set() {} }
}

/** An option without which everything works as well, in another way. */
function otherwise(name: string, help: string, warning: string): Row {
  return { help, set: (draft) => draft.warnings.set(name, warning) }
}

/** An option that cannot be left out without doing something else than was asked for. */
function refused(help: string, reason: string): Row {
  return {
    help: `refused: ${help}`,
    set() {
      throw new BadValue(reason)
    },
  }
}

const levels: Readonly<Record<string, LogLevel>> = {
  off: 'off',
  error: 'error',
  warn: 'warn',
  info: 'info',
  debug: 'info',
  trace: 'info',
}

/**
 * The options of virtiofsd up to 1.14, and of QEMU's own virtiofsd, in the order of its help. Help and parser follow from this
 * table.
 */
const rows: Readonly<Record<string, Row>> = {
  'shared-dir': {
    value: 'DIR',
    help: 'the directory to share',
    set: (draft, value) => (draft.directory = value),
  },
  tag: {
    value: 'TAG',
    help: 'the tag for front ends that ask for it (1 to 36 bytes). QEMU 7.1 to 8.0 crash of it',
    set(draft, value) {
      const bytes = Buffer.byteLength(value)
      if (bytes < 1 || bytes > 36) throw new BadValue('a tag has 1 to 36 bytes')
      draft.tag = value
    },
  },
  'socket-path': {
    value: 'PATH',
    help: 'the path of the socket to listen on. PATH.pid gets the number of the process',
    set: (draft, value) => (draft.socketPath = value),
  },
  socket: {
    value: 'PATH',
    help: 'the same as --socket-path',
    set: (draft, value) => (draft.socketPath = value),
  },
  'socket-group': {
    value: 'GROUP',
    help: 'the group whose members may connect to the socket',
    set: (draft, value) => (draft.socketGroup = value),
  },
  fd: {
    value: 'FD',
    help: 'the descriptor of a socket that listens already',
    set: (draft, value) => (draft.fd = count(value)),
  },
  'thread-pool-size': {
    value: 'COUNT',
    help: 'accepted: one thread serves, and io_uring reads what is not in memory',
    set: (_draft, value) => void count(value),
  },
  xattr: { help: 'extended attributes', set: (draft) => (draft.xattrs = true) },
  'disable-xattr': { help: 'none (the default)', set: (draft) => (draft.xattrs = false) },
  'posix-acl': { help: 'POSIX ACLs; implies --xattr', set: (draft) => (draft.acls = true) },
  xattrmap: {
    value: 'RULES',
    ...refused(
      'names of extended attributes are not translated',
      'names of extended attributes are not translated here. Leave it out if the guest needs no attributes of its own',
    ),
  },
  sandbox: {
    value: 'KIND',
    help: 'namespace (default) or chroot: Landlock and seccomp, without namespaces; none',
    set(draft, value) {
      draft.sandbox = oneOf<SandboxMode>(value, { namespace: 'auto', chroot: 'auto', none: 'off' })
    },
  },
  readonly: { help: 'refuse all changes', set: (draft) => (draft.readOnly = true) },
  seccomp: {
    value: 'ACTION',
    help: 'accepted: kill (default), log, trap or none. A forbidden system call fails with EPERM, unless --sandbox none',
    set(draft, value) {
      oneOf(value, { none: 0, kill: 0, log: 0, trap: 0 })
      draft.warnings.delete('seccomp')
      if (value === 'kill') return
      draft.warnings.set('seccomp', 'a system call that the sandbox forbids fails with EPERM')
    },
  },
  'announce-submounts': otherwise(
    'submounts',
    'accepted: inode numbers are distinct without it',
    'mounts below the directory are not announced; their files have inode numbers of their own all the same',
  ),
  'no-announce-submounts': {
    help: 'mounts below the directory are part of it (always so)',
    set: (draft) => void draft.warnings.delete('submounts'),
  },
  'inode-file-handles': {
    value: 'MODE',
    help: 'accepted: never, prefer or mandatory. Idle files do not keep a descriptor for ever in any mode',
    set(draft, value) {
      oneOf(value, { never: 0, prefer: 0, fallback: 0, mandatory: 0 })
      draft.warnings.delete('inode-file-handles')
      if (value !== 'mandatory') return
      draft.warnings.set(
        'inode-file-handles',
        'files that the guest knows may keep a descriptor open for a while, which NFS notices',
      )
    },
  },
  cache: {
    value: 'POLICY',
    help: 'what the guest may keep: never, auto (default), always; metadata is as never',
    set(draft, value) {
      draft.warnings.delete('cache')
      draft.caching = oneOf(value, virtiofsdCache)
      if (value !== 'metadata') return
      draft.warnings.set('cache', 'metadata is served as never: the guest keeps no names either')
    },
  },
  'allow-mmap': {
    help: 'shared mappings with --cache never: always so, from Linux 6.6 in the guest on',
    set: (draft) => (draft.allowsMmap = true),
  },
  'no-readdirplus': otherwise(
    'readdirplus',
    'accepted: the guest still gets attributes together with names, but with --cache never',
    'the guest gets attributes together with names unless --cache never says otherwise',
  ),
  writeback: {
    help: "the guest's kernel may write later what its programs have written",
    set: (draft) => (draft.writeback = true),
  },
  'allow-direct-io': otherwise(
    'direct-io',
    "accepted: the host's page cache stays in use",
    "O_DIRECT goes around the guest's page cache; the host's stays in use",
  ),
  'print-capabilities': {
    help: 'print what this program can do, as JSON for libvirt',
    set: (draft) => (draft.only ??= 'capabilities'),
  },
  modcaps: {
    value: 'LIST',
    help: 'accepted: +CAPABILITY, since none is dropped. -CAPABILITY is refused',
    set(_draft, value) {
      const changes = value.split(':')
      const odd = changes.find((each) => !/^[+-]\w+$/.test(each))
      if (odd !== undefined)
        throw new BadValue('use +CAPABILITY or -CAPABILITY, joined with colons')
      const dropped = changes.find((each) => each.startsWith('-'))
      if (dropped === undefined) return
      throw new BadValue(
        `${dropped.slice(1)} cannot be dropped here. Start it without this capability, as with setpriv(1) --bounding-set`,
      )
    },
  },
  'log-level': {
    value: 'LEVEL',
    help: 'off, error, warn, info (default); debug and trace are as info',
    set: (draft, value) => (draft.level = oneOf(value, levels)),
  },
  syslog: otherwise(
    'syslog',
    'accepted: the log is on standard error',
    'the log is on standard error, and not in the syslog; logger(1) can take it there',
  ),
  'rlimit-nofile': {
    value: 'COUNT',
    help: 'the files that the guest may have open are half of these (0: of what the process may have)',
    set(draft, value) {
      const most = count(value)
      if (most === 0) delete draft.descriptors
      else draft.descriptors = Math.floor(most / 2)
    },
  },
  'killpriv-v2': alike('set-user-id bits are cleared by each write of another user (always so)'),
  'no-killpriv-v2': alike('the same'),
  'security-label': refused(
    'new files get no security label from the guest',
    'new files get no security label from the guest here. Leave it out if the guest has no SELinux',
  ),
  'uid-map': {
    value: ':GUEST:HOST:COUNT:',
    help: 'show these users of the host as those of the guest, and no others',
    set: (draft, value) => draft.ids.users.namespace.push(parseNamespaceMap(value)),
  },
  'gid-map': {
    value: ':GUEST:HOST:COUNT:',
    help: 'the same for groups',
    set: (draft, value) => draft.ids.groups.namespace.push(parseNamespaceMap(value)),
  },
  'translate-uid': {
    value: 'RULE',
    help: 'map:GUEST:HOST:COUNT, guest:…, host:HOST:GUEST:COUNT, squash-guest:…, squash-host:…, forbid-guest:GUEST:COUNT',
    set: (draft, value) => draft.ids.users.rules.push(parseTranslation(value)),
  },
  'translate-gid': {
    value: 'RULE',
    help: 'the same for groups',
    set: (draft, value) => draft.ids.groups.rules.push(parseTranslation(value)),
  },
  'preserve-noatime': alike("the guest's O_NOATIME holds wherever the host allows it (always so)"),
  'migration-mode': unmigratable('MODE'),
  'migration-on-error': unmigratable('REACTION'),
  'migration-verify-handles': unmigratable(),
  'migration-confirm-paths': unmigratable(),
  daemonize: refused(
    'it stays in the foreground',
    'it stays in the foreground here. Start it in the background, as with &',
  ),
  debug: {
    short: 'd',
    help: 'accepted: as --log-level debug',
    set: (draft) => (draft.level = 'info'),
  },
  foreground: { short: 'f', ...alike('it always stays in the foreground') },
  options: {
    short: 'o',
    value: 'OPTION,…',
    help: "options as QEMU's own virtiofsd had them, such as source=DIR,cache=auto,xattr",
    set: setOldOptions,
  },
  help: { short: 'h', help: 'print this', set: (draft) => (draft.only ??= 'help') },
  version: {
    short: 'V',
    help: 'print the version',
    set: (draft) => (draft.only ??= 'version'),
  },
}

function unmigratable(value?: string): Row {
  return {
    ...(value !== undefined && { value }),
    ...otherwise(
      'migration',
      'accepted: a machine with this device cannot be migrated',
      'a machine with this device cannot be migrated: QEMU refuses it',
    ),
  }
}

const virtiofsdCache: Readonly<Record<string, Caching>> = {
  never: 'none',
  auto: 'mmap',
  always: 'loose',
  metadata: 'none',
}

/** Names that have only a short form for users. */
const SHORT_ONLY: ReadonlySet<string> = new Set(['options', 'debug', 'foreground'])

/** Words of `-o` that are options by another name, and their values. */
const oldNames: Readonly<Record<string, string>> = {
  source: 'shared-dir',
  cache: 'cache',
  sandbox: 'sandbox',
  modcaps: 'modcaps',
  xattrmap: 'xattrmap',
  loglevel: 'log-level',
  log_level: 'log-level',
  writeback: 'writeback',
  allow_direct_io: 'allow-direct-io',
  announce_submounts: 'announce-submounts',
  killpriv_v2: 'killpriv-v2',
  no_killpriv_v2: 'no-killpriv-v2',
  no_readdirplus: 'no-readdirplus',
  xattr: 'xattr',
  no_xattr: 'disable-xattr',
  posix_acl: 'posix-acl',
  security_label: 'security-label',
  debug: 'debug',
}

/** Words of `-o` that have no option of their own. */
const oldWords: Readonly<Record<string, (draft: Draft) => void>> = {
  flock: (draft) => (draft.flock = true),
  no_flock: (draft) => (draft.flock = false),
  posix_lock: (draft) => (draft.posixLocks = true),
  no_posix_lock: (draft) => (draft.posixLocks = false),
  no_writeback: (draft) => (draft.writeback = false),
  no_posix_acl: (draft) => (draft.acls = false),
  no_allow_direct_io: (draft) => draft.warnings.delete('direct-io'),
  readdirplus: (draft) => draft.warnings.delete('readdirplus'),
  no_security_label() {},
  // The server answers each user of the guest, root as well.
  allow_root() {},
}

/** Values that the old options have under other names. */
const oldValues: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  cache: { none: 'never' },
  'log-level': { err: 'error' },
}

/** A comma that is part of a value is written twice, as libvirt does. */
function setOldOptions(draft: Draft, list: string): void {
  for (const word of splitAtCommas(list)) setOldOption(draft, word)
}

function setOldOption(draft: Draft, word: string): void {
  const equals = word.indexOf('=')
  const name = equals < 0 ? word : word.slice(0, equals)
  const value = equals < 0 ? '' : word.slice(equals + 1)
  const takesValue = name === 'timeout' || name === 'max_idle_threads'
  if (takesValue && equals >= 0) {
    draft.warnings.set(name, `${name}=${value} has no effect`)
    return
  }
  const act = Object.hasOwn(oldWords, name) ? oldWords[name] : undefined
  if (act !== undefined && equals < 0) {
    act(draft)
    return
  }
  const option = Object.hasOwn(oldNames, name) ? oldNames[name] : undefined
  const row = option === undefined ? undefined : rows[option]
  if (option === undefined || row === undefined || (row.value === undefined) !== equals < 0) {
    throw new BadValue(`'${word}' is no option of virtiofsd`)
  }
  row.set(draft, oldValues[option]?.[value] ?? value)
}

/**
 * Understands a command line of virtiofsd. Of an option that is given several times, the last one counts.
 *
 * @throws UserError for what is no option, has a value that it cannot have, or cannot be done here.
 */
export function parseVirtiofsd(args: readonly string[]): VirtiofsdCommand {
  if (args.length === 0) return { kind: 'help' }
  const draft: Draft = {
    caching: 'mmap',
    allowsMmap: false,
    readOnly: false,
    writeback: false,
    xattrs: false,
    acls: false,
    flock: false,
    posixLocks: false,
    ids: noIdMaps(),
    sandbox: 'auto',
    level: 'info',
    warnings: new Map(),
  }
  for (const { name, shown, value } of tokensOf(args)) {
    try {
      rows[name]?.set(draft, value)
    } catch (error) {
      if (!(error instanceof BadValue) && !(error instanceof UserError)) throw error
      const given = value === '' ? shown : `${shown} ${value}`
      throw new UserError(`${given}: ${error.message}.`, { cause: error })
    }
  }
  if (draft.only !== undefined) return { kind: draft.only }
  return { kind: 'serve', request: finish(draft) }
}

interface Token {
  readonly name: string
  /** As the user has written it. */
  readonly shown: string
  readonly value: string
}

function tokensOf(args: readonly string[]): Token[] {
  const options = Object.fromEntries(
    Object.entries(rows).map(([name, { short, value }]) => [
      name,
      {
        type: value === undefined ? ('boolean' as const) : ('string' as const),
        multiple: true,
        ...(short !== undefined && { short }),
      },
    ]),
  )
  try {
    const { tokens } = parseArgs({
      args: [...args],
      options,
      allowPositionals: false,
      tokens: true,
    })
    return tokens.flatMap((token) =>
      token.kind === 'option'
        ? [{ name: token.name, shown: token.rawName, value: token.value ?? '' }]
        : [],
    )
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    const reason = error.message.split(/[.\n]/, 1)[0] ?? ''
    throw new UserError(`${reason}. --help lists the options.`, { cause: error })
  }
}

/** What the options say together. */
function finish(draft: Draft): VirtiofsdRequest {
  const { directory, acls, ids, descriptors, warnings } = draft
  if (directory === undefined) {
    throw new UserError('The directory is missing: add --shared-dir DIR.')
  }
  if (acls && (ids.users.rules.length > 0 || ids.groups.rules.length > 0)) {
    throw new UserError(
      '--posix-acl cannot be used with --translate-uid or --translate-gid: ACLs contain ids.',
    )
  }
  if (draft.flock !== draft.posixLocks) {
    warnings.set('locks', "locks of both kinds, fcntl(2)'s and flock(2)'s, are the server's")
  }
  if (draft.allowsMmap && draft.caching === 'none') {
    warnings.set('allow-mmap', 'shared mappings with this cache policy need Linux 6.6 in the guest')
  }
  return {
    directory,
    socket: socketOf(draft),
    caching: draft.caching,
    readOnly: draft.readOnly,
    writeback: draft.writeback,
    xattrs: draft.xattrs || acls,
    acls,
    remoteLocks: draft.flock || draft.posixLocks,
    tag: draft.tag,
    owner: ownershipOf(ids),
    sandbox: draft.sandbox,
    descriptors,
    level: draft.level,
    warnings: [...warnings.values()],
  }
}

function socketOf({ socketPath: path, socketGroup: group, fd }: Draft): Socket {
  if (fd !== undefined) {
    if (path !== undefined) {
      throw new UserError('--fd and --socket-path exclude each other: leave one of them out.')
    }
    if (group !== undefined) {
      throw new UserError('--socket-group is for --socket-path: whoever made --fd has its file.')
    }
    return { kind: 'fd', fd }
  }
  if (path === undefined || path === '') {
    throw new UserError('The socket is missing: add --socket-path PATH or --fd FD.')
  }
  return { kind: 'path', path, group }
}

/** What `--help` prints. */
export function virtiofsdHelp(): string {
  const lines = Object.entries(rows).map(([name, { short, value, help }]) => {
    const long = SHORT_ONLY.has(name) ? '' : `--${name}`
    const forms = [short === undefined ? '' : `-${short}`, long].filter((form) => form !== '')
    const left = `  ${forms.join(', ')}${value === undefined ? '' : ` <${value}>`}`
    return `${left.padEnd(40)}${help}`
  })
  return [
    "lowerdir's virtio-fs server, with virtiofsd's command line.",
    '',
    'Usage: virtiofsd --shared-dir <DIR> --socket-path <PATH> [OPTIONS]',
    '',
    'It serves one front end, such as a QEMU, and ends when that has gone.',
    '',
    'Options:',
    ...lines,
    '',
    'docs/virtiofsd.md says how each of them differs from virtiofsd.',
  ].join('\n')
}
