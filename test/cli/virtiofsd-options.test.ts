import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { UserError } from '../../src/cli/user-error.ts'
import type { OwnerTranslation } from '../../src/tree/host/owners.ts'
import {
  type VirtiofsdRequest,
  parseVirtiofsd,
  virtiofsdHelp,
} from '../../src/cli/virtiofsd-options.ts'

/** What `--shared-dir /d --socket-path /s` asks for. */
const plain: VirtiofsdRequest = {
  directory: '/d',
  socket: { kind: 'path', path: '/s', group: undefined },
  caching: 'mmap',
  readOnly: false,
  writeback: false,
  xattrs: false,
  acls: false,
  remoteLocks: false,
  tag: undefined,
  owner: 'host',
  sandbox: 'auto',
  descriptors: undefined,
  level: 'info',
  warnings: [],
}

const usual = ['--shared-dir', '/d', '--socket-path', '/s']

/** Parses words that are separated by spaces. */
function request(words: string): VirtiofsdRequest {
  const command = parseVirtiofsd(words.split(' '))
  if (command.kind !== 'serve') throw new Error(`it is ${command.kind}`)
  return command.request
}

/** What more words ask for, behind the usual ones. */
function withOptions(...words: readonly string[]): VirtiofsdRequest {
  return request([...usual, ...words].join(' '))
}

const onFd = { kind: 'fd', fd: 27 } as const

const SYSLOG = 'the log is on standard error, and not in the syslog; logger(1) can take it there'
const POOL = '--thread-pool-size'

describe('the command line of', () => {
  it.each<[string, string, Partial<VirtiofsdRequest>]>([
    [
      'libvirt 10 and newer',
      `--fd=27 --shared-dir /d --cache always --sandbox namespace --xattr ${POOL}=16 --rlimit-nofile=1024`,
      { socket: onFd, caching: 'loose', xattrs: true, descriptors: 512 },
    ],
    [
      'libvirt, with cache none and its log on',
      '--fd=27 --shared-dir /d --cache never --sandbox chroot --log-level debug',
      { socket: onFd, caching: 'none' },
    ],
    [
      'libvirt for an ordinary user',
      '--fd=27 --shared-dir /d --uid-map=:0:1000:1: --uid-map=:1:100000:65536: --gid-map=:0:1000:1:',
      {
        socket: onFd,
        owner: {
          users: {
            toHost: [
              { from: 0, to: 1000, count: 1 },
              { from: 1, to: 100_000, count: 65_536 },
            ],
            toGuest: [
              { from: 1000, to: 0, count: 1 },
              { from: 100_000, to: 1, count: 65_536 },
            ],
          },
          groups: {
            toHost: [{ from: 0, to: 1000, count: 1 }],
            toGuest: [{ from: 1000, to: 0, count: 1 }],
          },
          others: 'none',
        },
      },
    ],
    [
      'libvirt before 9.2',
      `--fd=27 -o source=/a,,b,cache=none,sandbox=namespace,xattr,flock,posix_lock ${POOL}=4 -d`,
      { socket: onFd, directory: '/a,b', caching: 'none', xattrs: true, remoteLocks: true },
    ],
    [
      'libvirt before 9.2, with everything off',
      '--fd=27 -o source=/d,cache=always,no_xattr,no_flock,no_posix_lock',
      { socket: onFd, caching: 'loose' },
    ],
    [
      'virtme-ng',
      '--syslog --no-announce-submounts --posix-acl --readonly --socket-path /s --shared-dir /d --sandbox none --cache always',
      {
        caching: 'loose',
        readOnly: true,
        acls: true,
        xattrs: true,
        sandbox: 'off',
        warnings: [SYSLOG],
      },
    ],
    [
      'virtme-ng 1.30',
      '--syslog --no-announce-submounts --socket-path /s --shared-dir /d --sandbox none',
      { sandbox: 'off', warnings: [SYSLOG] },
    ],
    [
      'microvm.nix',
      `--socket-path=/s --socket-group=kvm --shared-dir=/d --rlimit-nofile 1048576 ${POOL} 2 --posix-acl --xattr --cache=auto --inode-file-handles=prefer`,
      {
        socket: { kind: 'path', path: '/s', group: 'kvm' },
        xattrs: true,
        acls: true,
        descriptors: 524_288,
      },
    ],
    [
      'systemd-vmspawn',
      '--shared-dir /d --xattr --fd 3 --no-announce-submounts --translate-uid map:0:524288:65536 --translate-gid map:0:524288:65536',
      {
        socket: { kind: 'fd', fd: 3 },
        xattrs: true,
        owner: {
          users: {
            toHost: [{ from: 0, count: 65_536, to: 524_288 }],
            toGuest: [{ from: 524_288, count: 65_536, to: 0 }],
          },
          groups: {
            toHost: [{ from: 0, count: 65_536, to: 524_288 }],
            toGuest: [{ from: 524_288, count: 65_536, to: 0 }],
          },
          others: 'same',
        },
      },
    ],
    [
      'scripts that squash',
      '--socket-path /s --shared-dir /d --sandbox namespace --translate-uid host:1001:1000:1 --translate-uid squash-guest:0:1001:4294967295',
      {
        owner: {
          users: {
            toHost: [{ from: 0, count: 4_294_967_295, to: 1001, isSquashed: true }],
            toGuest: [{ from: 1001, count: 1, to: 1000 }],
          },
          groups: { toHost: [], toGuest: [] },
          others: 'same',
        },
      },
    ],
    [
      'cloud-hypervisor’s documentation',
      `--log-level debug --socket-path=/s --shared-dir=/d --cache=never ${POOL}=8`,
      { caching: 'none' },
    ],
    [
      'QEMU 7’s documentation',
      '--socket-path=/s -o source=/d -o cache=always -f',
      { caching: 'loose' },
    ],
  ])('%s', (_who, words, asked) => {
    expect(request(words)).toEqual({ ...plain, ...asked })
  })
})

describe('an option', () => {
  it.each<[string, Partial<VirtiofsdRequest>]>([
    ['--cache never', { caching: 'none' }],
    ['--cache=auto', { caching: 'mmap' }],
    ['--cache=always', { caching: 'loose' }],
    ['--writeback', { writeback: true }],
    ['--xattr', { xattrs: true }],
    ['--xattr --disable-xattr', {}],
    ['--posix-acl', { acls: true, xattrs: true }],
    ['--readonly', { readOnly: true }],
    ['--tag=work', { tag: 'work' }],
    ['--sandbox none', { sandbox: 'off' }],
    ['--sandbox chroot', {}],
    ['--seccomp kill', {}],
    ['--modcaps=+sys_admin:+dac_read_search', {}],
    ['--rlimit-nofile=0', {}],
    ['--rlimit-nofile=100 --rlimit-nofile=0', {}],
    ['--rlimit-nofile=4096', { descriptors: 2048 }],
    ['--log-level off', { level: 'off' }],
    ['--log-level error', { level: 'error' }],
    ['--log-level warn', { level: 'warn' }],
    ['--log-level trace', {}],
    ['--killpriv-v2', {}],
    ['--no-killpriv-v2', {}],
    ['--preserve-noatime', {}],
    ['--allow-mmap', {}],
    ['--inode-file-handles=never', {}],
    ['--inode-file-handles=fallback', {}],
    ['--socket /other', { socket: { kind: 'path', path: '/other', group: undefined } }],
    ['-o no_writeback,writeback', { writeback: true }],
    ['-o loglevel=err', { level: 'error' }],
    ['-o log_level=warn', { level: 'warn' }],
    ['-o posix_acl,no_posix_acl', {}],
    ['-o readdirplus,no_allow_direct_io,no_security_label,allow_root,killpriv_v2', {}],
    ['-d', {}],
    ['-f', {}],
  ])('%s is done as virtiofsd does it', (words, asked) => {
    expect(withOptions(words)).toEqual({ ...plain, ...asked })
  })

  it.each<[string, string, Partial<VirtiofsdRequest>]>([
    ['--cache metadata', 'metadata is served as never', { caching: 'none' }],
    ['--cache never --allow-mmap', 'need Linux 6.6 in the guest', { caching: 'none' }],
    ['--seccomp log', 'a system call that the sandbox forbids fails with EPERM', {}],
    ['--seccomp none', 'a system call that the sandbox forbids fails with EPERM', {}],
    ['--announce-submounts', 'mounts below the directory are not announced', {}],
    ['--inode-file-handles=mandatory', 'may keep a descriptor open for a while', {}],
    ['--no-readdirplus', 'the guest gets attributes together with names', {}],
    ['--allow-direct-io', "O_DIRECT goes around the guest's page cache", {}],
    ['--syslog', SYSLOG, {}],
    ['--migration-mode file-handles', 'cannot be migrated', {}],
    ['--migration-mode find-paths --migration-confirm-paths', 'cannot be migrated', {}],
    ['--migration-on-error=abort', 'cannot be migrated', {}],
    ['--migration-verify-handles', 'cannot be migrated', {}],
    ['-o timeout=5', 'timeout=5 has no effect', {}],
    ['-o max_idle_threads=5', 'max_idle_threads=5 has no effect', {}],
    ['-o flock', 'locks of both kinds', { remoteLocks: true }],
    ['-o posix_lock,no_flock', 'locks of both kinds', { remoteLocks: true }],
  ])('%s is done in another way, with a warning', (words, warning, asked) => {
    expect(withOptions(words)).toEqual({
      ...plain,
      ...asked,
      warnings: [expect.stringContaining(warning)],
    })
  })

  it.each([
    ['--xattrmap :map::user.virtiofs.:', 'names of extended attributes are not translated here.'],
    ['-o xattrmap=:map::user.virtiofs.:', 'names of extended attributes are not translated here.'],
    ['--security-label', '--security-label: new files get no security label from the guest here.'],
    ['--daemonize', '--daemonize: it stays in the foreground here. Start it in the background'],
    ['--modcaps=-chown', '--modcaps -chown: chown cannot be dropped here.'],
    ['--modcaps=chown', 'use +CAPABILITY or -CAPABILITY, joined with colons.'],
    ['--vsock 5', "Unknown option '--vsock'. --help lists the options."],
    ['--cache', "Option '--cache <value>' argument missing. --help lists the options."],
    ['--xattr=yes', "Option '--xattr' does not take an argument."],
    ['word', "Unexpected argument 'word'"],
    ['--cache some', '--cache some: use one of never, auto, always, metadata.'],
    ['--cache toString', '--cache toString: use one of never'],
    ['--sandbox jail', '--sandbox jail: use one of namespace, chroot, none.'],
    ['--seccomp maybe', '--seccomp maybe: use one of none, kill, log, trap.'],
    ['--log-level loud', '--log-level loud: use one of off, error, warn, info, debug, trace.'],
    ['--inode-file-handles=always', 'use one of never, prefer, fallback, mandatory.'],
    ['--thread-pool-size=-1', '--thread-pool-size -1: use a whole number.'],
    ['--rlimit-nofile=many', '--rlimit-nofile many: use a whole number.'],
    ['--tag=', '--tag: a tag has 1 to 36 bytes.'],
    [`--tag=${'t'.repeat(37)}`, 'a tag has 1 to 36 bytes.'],
    ['--fd=3', '--fd and --socket-path exclude each other: leave one of them out.'],
    ['--fd=0x3', '--fd 0x3: use a whole number.'],
    ['-o frobnicate', "-o frobnicate: 'frobnicate' is no option of virtiofsd."],
    ['-o writeback=1', "'writeback=1' is no option of virtiofsd."],
    ['-o source', "'source' is no option of virtiofsd."],
    ['-o flock=1', "'flock=1' is no option of virtiofsd."],
    ['-o timeout', "'timeout' is no option of virtiofsd."],
    ['-o constructor', "'constructor' is no option of virtiofsd."],
    ['--uid-map 0:1:1', 'use :GUEST:HOST:COUNT:, such as :0:100000:65536:.'],
    ['--uid-map :0:1:', 'use :GUEST:HOST:COUNT:'],
    ['--gid-map :0:1:x:', 'is not a range of ids'],
    ['--uid-map :0:5:9: --uid-map :8:50:1:', 'two of these say something about the same id.'],
    ['--uid-map :0:5:9: --uid-map :50:8:1:', 'two of these say something about the same id.'],
    ['--translate-uid 0:1:1', 'use map:GUEST:HOST:COUNT, guest:GUEST:HOST:COUNT,'],
    ['--translate-uid map:0:1', 'use map:GUEST:HOST:COUNT'],
    ['--translate-uid map:0:1:0', 'use map:GUEST:HOST:COUNT'],
    ['--translate-uid map:0:1:4294967295', 'use map:GUEST:HOST:COUNT'],
    ['--translate-uid map:0:x:1', 'use map:GUEST:HOST:COUNT'],
    ['--translate-uid forbid-guest:0:1:1', 'use map:GUEST:HOST:COUNT'],
    ['--translate-gid squash-guest:0:4294967295:1', 'use map:GUEST:HOST:COUNT'],
    [
      '--translate-uid map:0:1000:1 --translate-uid guest:0:5:1',
      '--translate-uid map:0:1000:1 guest:0:5:1: two of these say something about the same id.',
    ],
    [
      '--translate-gid map:0:5:1 --uid-map :0:0:1:',
      '--uid-map and --gid-map cannot be used with --translate-uid and --translate-gid here',
    ],
    [
      '--posix-acl --translate-uid map:0:1:1',
      '--posix-acl cannot be used with --translate-uid or --translate-gid: ACLs contain ids.',
    ],
  ])('%s is an error', (words, message) => {
    expect(() => withOptions(words)).toThrow(message)
  })

  it('that is given again replaces what it has said before, its warning too', () => {
    const again = '--cache metadata --cache always --seccomp log --seccomp kill'
    expect(withOptions(again)).toEqual({ ...plain, caching: 'loose' })
    const submounts = '--announce-submounts --no-announce-submounts'
    expect(
      withOptions(`${submounts} --inode-file-handles=mandatory --inode-file-handles=never`),
    ).toEqual(plain)
    expect(
      withOptions('--migration-mode find-paths --migration-verify-handles').warnings.length,
    ).toBe(1)
  })
})

describe('what is missing', () => {
  it.each([
    ['--socket-path /s', 'The directory is missing: add --shared-dir DIR.'],
    ['--shared-dir /d', 'The socket is missing: add --socket-path PATH or --fd FD.'],
    ['--shared-dir /d --socket-path=', 'The socket is missing'],
    ['--shared-dir /d --fd=3 --socket-group kvm', '--socket-group is for --socket-path'],
  ])('%s', (words, message) => {
    expect(() => request(words)).toThrow(message)
  })
})

describe('each kind of translation', () => {
  it.each<[string, Partial<OwnerTranslation['users']>]>([
    [
      'map:1:5:2',
      { toHost: [{ from: 1, count: 2, to: 5 }], toGuest: [{ from: 5, count: 2, to: 1 }] },
    ],
    ['guest:1:5:2', { toHost: [{ from: 1, count: 2, to: 5 }] }],
    ['host:5:1:2', { toGuest: [{ from: 5, count: 2, to: 1 }] }],
    ['squash-guest:1:5:2', { toHost: [{ from: 1, count: 2, to: 5, isSquashed: true }] }],
    ['squash-host:5:1:2', { toGuest: [{ from: 5, count: 2, to: 1, isSquashed: true }] }],
    ['forbid-guest:1:2', { toHost: [{ from: 1, count: 2, to: null }] }],
  ])('%s', (rule, steps) => {
    const none = { toHost: [], toGuest: [] }
    const map = { ...none, ...steps }
    const { owner: users } = withOptions('--translate-uid', rule)
    expect(users).toEqual({ users: map, groups: none, others: 'same' })
    const { owner: groups } = withOptions('--translate-gid', rule)
    expect(groups).toEqual({ users: none, groups: map, others: 'same' })
  })

  it('of users alone by a namespace leaves groups as they are', () => {
    const { owner } = withOptions('--uid-map', ':0:1000:1:')
    const all = [{ from: 0, to: 0, count: 4_294_967_295 }]
    expect(owner).toMatchObject({ groups: { toHost: all, toGuest: all } })
  })
})

describe('a question', () => {
  it.each([
    ['--help', 'help'],
    ['-h', 'help'],
    ['--version', 'version'],
    ['-V', 'version'],
    ['--print-capabilities', 'capabilities'],
    ['--print-capabilities --shared-dir /d --socket-path /s', 'capabilities'],
  ] as const)('%s is %s', (words, kind) => {
    expect(parseVirtiofsd(words.split(' '))).toEqual({ kind })
  })

  it('is no argument at all as well', () => {
    expect(parseVirtiofsd([])).toEqual({ kind: 'help' })
  })
})

describe('docs/virtiofsd.md', () => {
  const rows = readFileSync('docs/virtiofsd.md', 'utf8')
    .split('\n')
    .flatMap((line) => {
      const [, options = '', kind = ''] = /^\| (`-.*?) \| (same|other|refused) \|/.exec(line) ?? []
      return [...options.matchAll(/`(-[^`]*)`/g)].map(([, option = '']) => ({ option, kind }))
    })

  it('has a row for each option', () => {
    const documented = new Set(rows.map(({ option }) => option.split(' ', 1)[0]))
    const known = [...virtiofsdHelp().matchAll(/^ {2}(?:-h, |-V, )?(--?[\w-]+)/gm)]
    expect(known.length).toBeGreaterThan(40)
    for (const [, option] of known) expect(documented).toContain(option)
  })

  /** A value for each placeholder. */
  const values: Readonly<Record<string, string>> = {
    DIR: '/d',
    PATH: '/s',
    GROUP: 'kvm',
    TAG: 't',
    RULES: ':map::a.:',
    COUNT: '4096',
    RULE: 'map:0:1:1',
    MAP: ':0:1:1:',
    ACTION: 'log',
    LEVEL: 'warn',
    REACTION: 'abort',
    '+CAP': '+chown',
    '-CAP': '-chown',
  }
  /** What a MODE can be differs. */
  const modes: Readonly<Record<string, string>> = {
    '--inode-file-handles': 'mandatory',
    '--migration-mode': 'find-paths',
  }

  /** What the program does with an option of the table. */
  function kindOf(option: string): string {
    const [name = '', placeholder = ''] = option.replace('…', '1').split(' ')
    const value = values[placeholder] ?? modes[name] ?? placeholder
    const args = name === '-o' || value === '' ? [name, value] : [`${name}=${value}`]
    try {
      const command = parseVirtiofsd([...usual, ...args.filter((arg) => arg !== '')])
      return command.kind === 'serve' && command.request.warnings.length > 0 ? 'other' : 'same'
    } catch (error) {
      if (!(error instanceof UserError) || !/ here[. ]/.test(error.message)) throw error
      return 'refused'
    }
  }

  it('says of each option what the program does with it', () => {
    // Not of those that the usual ones exclude, nor of those whose difference no guest notices: they have no warning.
    const others =
      /^--(?:fd|allow-mmap|uid-map|gid-map|sandbox (?!none)|thread-pool-size|rlimit-nofile)/
    const told = rows.filter(({ option }) => !others.test(option))
    expect(told.length).toBeGreaterThan(40)
    const done = told.map(({ option }) => ({ option, kind: kindOf(option) }))
    expect(done).toEqual(told)
  })
})

describe('the help', () => {
  it('has a line for each option, none of them wider than the widest terminals are', () => {
    const lines = virtiofsdHelp().split('\n')
    const options = lines.filter((line) => line.startsWith('  -'))
    expect(options.length).toBeGreaterThan(40)
    for (const line of options) expect(line).toMatch(/^ {2}-\S.{0,37} {1,}\S/)
    for (const name of ['shared-dir', 'fd', 'uid-map', 'translate-uid', 'inode-file-handles']) {
      expect(lines.filter((line) => line.startsWith(`  --${name} `))).toHaveLength(1)
    }
  })
})
