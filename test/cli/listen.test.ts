import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { mountLines, parseListen } from '../../src/cli/listen.ts'
import { parseVirtiofs, virtiofsLines, virtiofsListen } from '../../src/cli/virtiofs-address.ts'

describe('an address to listen on', () => {
  it.each([
    ['unix:/run/x.sock', { kind: 'unix', path: '/run/x.sock' }],
    ['unix:x.sock', { kind: 'unix', path: join(process.cwd(), 'x.sock') }],
    ['unix:/a:b', { kind: 'unix', path: '/a:b' }],
    ['unix:/a,,b,tag=c', { kind: 'unix', path: '/a,,b,tag=c' }],
    ['vhost-user:/run/x', { kind: 'vhost-user', path: '/run/x', tag: 'lowerdir' }],
    ['vhost-user:x', { kind: 'vhost-user', path: join(process.cwd(), 'x'), tag: 'lowerdir' }],
    ['vhost-user:/a,,b,tag=src-1', { kind: 'vhost-user', path: '/a,b', tag: 'src-1' }],
    ['tcp:5640', { kind: 'tcp', host: '127.0.0.1', port: 5640 }],
    ['tcp:0', { kind: 'tcp', host: '127.0.0.1', port: 0 }],
    ['tcp:localhost:5640', { kind: 'tcp', host: '127.0.0.1', port: 5640 }],
    ['tcp:127.1.2.3:65535', { kind: 'tcp', host: '127.1.2.3', port: 65535 }],
  ])('%s', (text, listen) => {
    expect(parseListen(text, false)).toEqual(listen)
  })

  it.each([
    '',
    'unix:',
    'tcp:',
    'tcp:x',
    'tcp:65536',
    'tcp:-1',
    'tcp:::1:564',
    'tcp:1.2.3:1',
    '/x',
  ])('is not %j', (text) => {
    expect(() => parseListen(text, true)).toThrow(`--listen ${text}`)
  })

  it.each([
    [
      'vhost-user:',
      'use unix:PATH, virtiofs:PATH[,OPTION…], vhost-user:PATH[,tag=NAME][,unsealed], tcp:[HOST:]PORT or stdio.',
    ],
    [
      'tcp:65536',
      'use unix:PATH, virtiofs:PATH[,OPTION…], vhost-user:PATH[,tag=NAME][,unsealed], tcp:[HOST:]PORT or stdio.',
    ],
    ['vhost-user:,tag=x', 'the path is missing; use vhost-user:PATH[,tag=NAME]'],
    [
      'vhost-user:/a,b',
      "'b' is neither tag=NAME nor unsealed. Write a comma that is part of PATH twice.",
    ],
    ['vhost-user:/a,', `'' is neither tag=NAME nor unsealed`],
    ['vhost-user:/a,tag=', 'a tag is 1 to 31 letters'],
    ['vhost-user:/a,tag=a b', 'a tag is 1 to 31 letters'],
    [`vhost-user:/a,tag=${'x'.repeat(32)}`, 'a tag is 1 to 31 letters'],
  ])('is not %j', (text, words) => {
    expect(() => parseListen(text, true)).toThrow(`--listen ${text}: ${words}`)
  })

  it.each(['0.0.0.0', '192.168.1.1', '8.8.8.8'])(
    'lets other machines in through %s when told to, and not before',
    (host) => {
      expect(() => parseListen(`tcp:${host}:564`, false)).toThrow('--allow-other-machines')
      expect(parseListen(`tcp:${host}:564`, true)).toEqual({ kind: 'tcp', host, port: 564 })
    },
  )
})

describe('the lines to mount what listens', () => {
  const writable = { name: null, readOnly: false }
  const readOnly = { name: null, readOnly: true }

  const commands = (lines: readonly string[]): string[] =>
    lines.filter((line) => !line.startsWith('#'))

  it('on a unix socket, through QEMU and on this machine', () => {
    const lines = mountLines({ kind: 'unix', path: '/run/a,b' }, 8192, [readOnly])
    expect(commands(lines)).toEqual([
      'mount -t 9p -o trans=tcp,port=564,version=9p2000.L,msize=8192,ro 10.0.2.100 /mnt',
      'mount -t 9p -o trans=unix,version=9p2000.L,msize=8192,ro /run/a,b /mnt',
    ])
    expect(lines.join('\n')).toContain('path=/run/a,,b\n')
  })

  it('on a port of this machine, and what a guest calls it', () => {
    const lines = mountLines({ kind: 'tcp', host: '127.0.0.1', port: 5640 }, 8192, [writable])
    expect(commands(lines)).toEqual([
      'mount -t 9p -o trans=tcp,port=5640,version=9p2000.L,msize=8192 127.0.0.1 /mnt',
      'mount -t 9p -o trans=tcp,port=5640,version=9p2000.L,msize=8192 10.0.2.2 /mnt',
    ])
  })

  it('on a port that others reach', () => {
    const lines = mountLines({ kind: 'tcp', host: '192.168.1.1', port: 564 }, 8192, [writable])
    expect(commands(lines)).toEqual([
      'mount -t 9p -o trans=tcp,port=564,version=9p2000.L,msize=8192 192.168.1.1 /mnt',
    ])
  })

  it('on a device, as large as its messages may be', () => {
    const listen = { kind: 'vhost-user', path: '/run/a,b', tag: 'src' } as const
    expect(mountLines(listen, 1 << 20, [readOnly])).toEqual([
      expect.stringContaining('whose QEMU (tested: 11.1; 10.0 and 7.2 cannot) has these arguments'),
      '#   -m 1G -object memory-backend-memfd,id=memory,size=1G,share=on -machine q35,memory-backend=memory',
      '#   -chardev socket,id=p-src-0,path=/run/a,,b ' +
        '-device vhost-user-test-device-pci,virtio-id=9,num_vqs=1,vq_size=128,config_size=5,chardev=p-src-0',
      'mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,ro src /mnt',
    ])
    expect(commands(mountLines(listen, 8192, [readOnly]))[0]).toContain('msize=8192,')
  })

  it('for each of several exports, on a device of its own', () => {
    const listen = { kind: 'vhost-user', path: '/run/x', tag: 'lowerdir' } as const
    const exports = [
      { name: 'src', readOnly: true },
      { name: 'out', readOnly: false },
    ]
    const lines = mountLines(listen, 8192, exports)
    const options = 'trans=virtio,version=9p2000.L,msize=8192'
    expect(commands(lines)).toEqual([
      `mount -t 9p -o ${options},aname=src,ro lowerdir /mnt/src`,
      `mount -t 9p -o ${options},aname=out lowerdir /mnt/out`,
    ])
    const ids = lines.flatMap((line) => /-chardev socket,id=([^,]*),/.exec(line)?.[1] ?? [])
    expect(ids).toEqual(['p-lowerdir-0', 'p-lowerdir-1'])
    for (const id of ids) expect(lines.join('\n')).toContain(`,chardev=${id}\n`)
  })

  it('for each of several exports, on a port of its own where QEMU is between', () => {
    const exports = [
      { name: 'src', readOnly: true },
      { name: 'out', readOnly: false },
    ]
    const options = 'version=9p2000.L,msize=8192'
    const tcp = mountLines({ kind: 'tcp', host: '192.168.1.1', port: 9 }, 8192, exports)
    expect(commands(tcp)).toEqual([
      `mount -t 9p -o trans=tcp,port=9,${options},aname=src,ro 192.168.1.1 /mnt/src`,
      `mount -t 9p -o trans=tcp,port=9,${options},aname=out 192.168.1.1 /mnt/out`,
    ])
    const unix = mountLines({ kind: 'unix', path: '/run/a,b' }, 8192, exports)
    expect(commands(unix)).toEqual([
      `mount -t 9p -o trans=tcp,port=564,${options},aname=src,ro 10.0.2.100 /mnt/src`,
      `mount -t 9p -o trans=tcp,port=565,${options},aname=out 10.0.2.100 /mnt/out`,
      `mount -t 9p -o trans=unix,${options},aname=src,ro /run/a,b /mnt/src`,
      `mount -t 9p -o trans=unix,${options},aname=out /run/a,b /mnt/out`,
    ])
    const forwards = [564, 565].map((port) => `guestfwd=tcp:10.0.2.100:${port}-chardev:p${port}`)
    expect(unix.slice(1, 4)).toEqual([
      '#   -chardev socket,id=p564,path=/run/a,,b',
      '#   -chardev socket,id=p565,path=/run/a,,b',
      `#   -device virtio-net-pci,netdev=n9 -netdev user,id=n9,restrict=on,${forwards.join(',')}`,
    ])
  })
})

describe('an address for virtio-fs', () => {
  const plain = {
    kind: 'virtiofs',
    path: '/run/x',
    tag: 'lowerdir',
    caching: 'mmap',
    writeback: false,
    exportName: undefined,
    config: false,
    unsealed: false,
  } as const

  it.each([
    ['/run/x', plain],
    ['x', { ...plain, path: join(process.cwd(), 'x') }],
    ['/a,,b,tag=src-1', { ...plain, path: '/a,b', tag: 'src-1' }],
    [
      '/run/x,config,unsealed,writeback,export=out,cache=loose,tag=t',
      {
        ...plain,
        tag: 't',
        caching: 'loose',
        writeback: true,
        exportName: 'out',
        config: true,
        unsealed: true,
      },
    ],
    ['/run/x,cache=none', { ...plain, caching: 'none' }],
    ['/run/x,cache=mmap', plain],
    ['/run/x,cache=never', { ...plain, caching: 'none' }],
    ['/run/x,cache=auto', plain],
    ['/run/x,cache=always', { ...plain, caching: 'loose' }],
    [`/run/x,tag=${'t'.repeat(36)}`, { ...plain, tag: 't'.repeat(36) }],
  ])('%s', (rest, address) => {
    expect(parseListen(`virtiofs:${rest}`, false)).toEqual(address)
  })

  it.each([
    [',tag=x', 'the path is missing; use virtiofs:PATH[,tag=NAME][,cache=MODE]'],
    ['/x,b', "'b' is none of tag=NAME, cache=MODE, writeback, export=NAME, config, unsealed."],
    ['/x,', "'' is none of tag=NAME"],
    ['/x,tag', "'tag' is none of tag=NAME"],
    ['/x,config=1', "'config=1' is none of tag=NAME"],
    ['/x,constructor', "'constructor' is none of tag=NAME"],
    ['/x,tag=a,tag=b', 'tag is given more than once. Say which one holds.'],
    ['/x,config,config', 'config is given more than once.'],
    ['/x,tag=', 'a tag is 1 to 36 letters'],
    ['/x,tag=a b', 'a tag is 1 to 36 letters'],
    [`/x,tag=${'t'.repeat(37)}`, 'a tag is 1 to 36 letters'],
    ['/x,cache=some', 'cache=some is none of none, mmap, loose, never, auto, always.'],
    ['/x,cache=toString', 'cache=toString is none of none'],
  ])('is not %s', (rest, words) => {
    const text = `virtiofs:${rest}`
    expect(() => parseListen(text, false)).toThrow(`--listen ${text}: ${words}`)
  })
})

describe('what is served at an address for virtio-fs', () => {
  const one = {
    name: null,
    directory: '/srv',
    readOnly: false,
    owner: 'host',
    atime: 'preserve',
  } as const
  const several = [
    { ...one, name: 'src', readOnly: true },
    { ...one, name: 'out' },
  ]
  const address = (rest: string): ReturnType<typeof parseVirtiofs> =>
    parseVirtiofs(`virtiofs:${rest}`, rest)

  it('is the only export', () => {
    expect(virtiofsListen(address('/x'), [one])).toEqual({
      kind: 'virtiofs',
      path: '/x',
      caching: 'mmap',
      exportName: undefined,
      remoteLocks: true,
      writeback: false,
      acls: false,
      offersTag: undefined,
      unsealed: false,
    })
    const [, out] = several
    expect(virtiofsListen(address('/x'), [out!])).toMatchObject({ exportName: 'out' })
  })

  it('is the export that it names, of several', () => {
    expect(virtiofsListen(address('/x,export=src'), several)).toMatchObject({ exportName: 'src' })
    expect(() => virtiofsListen(address('/x'), several)).toThrow(
      '--listen virtiofs:/x: a device has one export: say which, with one of export=src, export=out.',
    )
    expect(() => virtiofsListen(address('/x,export=no'), several)).toThrow(
      '--listen virtiofs:/x: there is no export no, with one of export=src, export=out.',
    )
    expect(() => virtiofsListen(address('/x,export=no'), [one])).toThrow('leave out export=no.')
  })

  it('offers the tag to VMMs only where the user says so', () => {
    expect(virtiofsListen(address('/x,tag=t,config'), [one])).toMatchObject({ offersTag: 't' })
    expect(virtiofsListen(address('/x,tag=t'), [one]).offersTag).toBe(undefined)
  })

  it.each([
    [{ readOnly: false }, true],
    [{ readOnly: false, lockScope: 'guests' }, true],
    [{ readOnly: true }, false],
    [{ readOnly: true, lockScope: 'guests' }, true],
    [{ readOnly: true, lockScope: 'host' }, true],
  ] as const)('keeps the locks of %j itself: %s', (policy, remoteLocks) => {
    expect(virtiofsListen(address('/x'), [{ ...one, ...policy }])).toMatchObject({ remoteLocks })
  })

  it.each([
    [{ owner: 'host' }, false],
    [{ owner: 'host', acls: true }, true],
    [{ owner: 'mapped-xattr', acls: true }, true],
    [{ owner: { uid: 0, gid: 0 }, acls: true }, false],
  ] as const)('has ACLs with %j: %s', (policy, acls) => {
    expect(virtiofsListen(address('/x'), [{ ...one, ...policy }])).toMatchObject({ acls })
  })

  it('is mounted by its tag, below what each VMM needs', () => {
    expect(virtiofsLines(address("/run/a,,b's,tag=src,export=src"), several)).toEqual([
      '# In a guest of QEMU (tested: 7.2 and 11.1) with these arguments; -m and size= may be larger:',
      '#   -m 1G -object memory-backend-memfd,id=memory,size=1G,share=on -machine q35,memory-backend=memory',
      "#   -chardev socket,id=fs-src,path=/run/a,,b's -device vhost-user-fs-pci,chardev=fs-src,tag=src,queue-size=1024",
      '# Or of libvirt, with this in its domain:',
      `#   <memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>`,
      `#   <filesystem type='mount'><driver type='virtiofs' queue='1024'/><source socket='/run/a,b&apos;s'/><target dir='src'/></filesystem>`,
      '# Or of cloud-hypervisor (not tested; its memory cannot be sealed, so it needs ,unsealed):',
      "#   --memory size=1G,shared=on --fs tag=src,socket=/run/a,b's,num_queues=1,queue_size=1024",
      '# Or of crosvm (not tested; it needs ,config, of which QEMU 7.1 to 8.0 crash):',
      "#   --vhost-user fs,socket=/run/a,b's",
      'mount -t virtiofs -o ro,noatime src /mnt/src',
    ])
    expect(virtiofsLines(address('/x,export=out'), several).at(-1)).toBe(
      'mount -t virtiofs lowerdir /mnt/out',
    )
    expect(virtiofsLines(address('/x'), [one]).at(-1)).toBe('mount -t virtiofs lowerdir /mnt')
  })
})
