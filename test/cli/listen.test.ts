import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { mountLines, parseListen } from '../../src/cli/listen.ts'

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
      'use unix:PATH, vhost-user:PATH[,tag=NAME][,unsealed], tcp:[HOST:]PORT or stdio.',
    ],
    [
      'tcp:65536',
      'use unix:PATH, vhost-user:PATH[,tag=NAME][,unsealed], tcp:[HOST:]PORT or stdio.',
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
