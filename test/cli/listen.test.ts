import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { mountLines, parseListen } from '../../src/cli/listen.ts'

describe('an address to listen on', () => {
  it.each([
    ['unix:/run/x.sock', { kind: 'unix', path: '/run/x.sock' }],
    ['unix:x.sock', { kind: 'unix', path: join(process.cwd(), 'x.sock') }],
    ['unix:/a:b', { kind: 'unix', path: '/a:b' }],
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
