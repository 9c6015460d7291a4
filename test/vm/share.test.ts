import { once } from 'node:events'
import { setImmediate as turn } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Machine } from '../../src/driver/machine.ts'
import { share } from '../../src/driver/share.ts'
import { bootTested } from '../support/vm-boot.ts'

const large = Buffer.alloc(3_000_001, 'lowerdir')
const written: { readonly text: string; readonly offset: number }[] = []
let asked = 0

const tree = share({
  '/hello': () => 'hi\n',
  '/large': large,
  '/folder': { 'one.txt': 'one\n', deep: { two: 'two\n' } },
  '/folder/three': 'three\n',
  '/counter': () => `asked ${++asked} times\n`,
  '/later': async () => {
    await turn()
    return large.toString()
  },
  '/inbox': {
    write: (data, offset) => {
      written.push({ text: data.toString(), offset })
    },
  },
  '/full': {
    write: () => {
      throw Object.assign(new Error('no room'), { code: 'ENOSPC' })
    },
  },
  '/slow': { read: 'slow\n', delay: 400 },
  '/stuck': { read: 'never', delay: 3_600_000 },
  '/broken': { read: 'never', fault: 'EIO' },
  '/flaky': { read: 'at last\n', fault: { error: 'EIO', times: 2 } },
  '/forbidden': {
    read: 'x',
    fault: (operation) => (operation === 'open' ? 'EACCES' : undefined),
  },
  '/throws': () => {
    throw new Error('a mistake in the test')
  },
  '/program': { read: '#!/bin/sh\necho it runs\n', mode: 0o555 },
})

let vm: Machine

beforeAll(async () => {
  const shares = ['/mnt', '/srv/again'].map((target) => ({ source: tree, target }))
  vm = await bootTested({ shares })
})

afterAll(async () => {
  await vm?.[Symbol.asyncDispose]()
})

describe('a share that is made of functions', () => {
  it('has files and directories', async () => {
    const list = await vm.succeed(
      'cd /mnt && find folder | sort && cat hello folder/*.txt folder/deep/two',
    )
    expect(list).toBe(
      'folder\nfolder/deep\nfolder/deep/two\nfolder/one.txt\nfolder/three\nhi\none\ntwo\n',
    )
    expect(await vm.succeed('/mnt/program')).toBe('it runs\n')
  })

  it('shows a constant’s size, and all of its bytes by read, copy and mmap', async () => {
    expect(await vm.succeed('stat -c %s /mnt/large; stat -c %s /mnt/hello')).toBe('3000001\n0\n')
    await vm.succeed('cp /mnt/large /tmp/copy && cmp /tmp/copy /mnt/large')
    expect((await vm.readFile('/mnt/large', 'buffer')).equals(large)).toBe(true)
    // GNU grep maps nothing any more; perl's :mmap layer does.
    const mapped = `perl -e 'open F, "<:mmap", "/mnt/large" or die; local $/; print length <F>'`
    expect(await vm.succeed(mapped)).toBe('3000001')
    expect(await vm.succeed('tail -c 9 /mnt/large')).toBe(large.subarray(-9).toString())
  })

  it('asks a function once for each open', async () => {
    expect(await vm.succeed('cat /mnt/counter; cat /mnt/counter')).toBe(
      'asked 1 times\nasked 2 times\n',
    )
    expect(
      await vm.succeed(
        'exec 3</mnt/counter; read -r line <&3; echo "$line"; cat /mnt/later | wc -c',
      ),
    ).toBe('asked 3 times\n3000001\n')
  })

  it('is the same for all machines that mount it', async () => {
    const before = asked
    expect(await vm.succeed('cat /srv/again/counter')).toBe(`asked ${before + 1} times\n`)
  })

  it('hands over what is written', async () => {
    await vm.succeed('echo one >/mnt/inbox; { echo two; echo three; } >/mnt/inbox')
    expect(written).toEqual([
      { text: 'one\n', offset: 0 },
      { text: 'two\n', offset: 0 },
      { text: 'three\n', offset: 4 },
    ])
    await vm.succeed('head -c 2000000 /dev/zero >/mnt/inbox')
    expect(written.slice(3).reduce((sum, { text }) => sum + text.length, 0)).toBe(2_000_000)
    expect((await vm.exec('/bin/echo x >/mnt/full')).stderr).toContain('No space left on device')
    expect((await vm.exec('echo x >/mnt/hello')).exitCode).not.toBe(0)
    await vm.fail('cat /mnt/inbox')
    await vm.fail('touch /mnt/new')
  })

  it('is slow where a delay is set', async () => {
    const start = performance.now()
    expect(await vm.succeed('cat /mnt/slow')).toBe('slow\n')
    expect(performance.now() - start).toBeGreaterThan(400)
    // Other processes do not wait for it, and a process that waits for it can be killed.
    const stuck = vm.exec('echo begun; exec cat /mnt/stuck')
    await once(stuck.stdout, 'data')
    await vm.succeed('cat /mnt/hello')
    stuck.kill()
    expect(await stuck).toMatchObject({ stdout: 'begun\n', signal: 'SIGKILL' })
    expect(await vm.exec('timeout -s KILL 1 cat /mnt/stuck')).toMatchObject({ stdout: '' })
  })

  it('fails where a fault is set', async () => {
    expect((await vm.exec('cat /mnt/broken')).stderr).toContain('Input/output error')
    await vm.fail('cat /mnt/flaky')
    await vm.fail('cat /mnt/flaky')
    expect(await vm.succeed('cat /mnt/flaky')).toBe('at last\n')
    expect((await vm.exec('cat /mnt/forbidden')).stderr).toContain('Permission denied')
    expect((await vm.exec('cat /mnt/throws')).stderr).toContain('Input/output error')
  })
})
