import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Machine } from '../../src/driver/machine.ts'
import { share } from '../../src/driver/share.ts'
import { temporaryDirectory } from '../support/temporary.ts'
import { bootTested } from '../support/vm-boot.ts'

/**
 * QEMU hands a guest's requests to a server over tcp without doing anything else meanwhile: a server that does not
 * read, because its replies are not taken, and QEMU would wait for each other for ever.
 */
describe('over tcp, large files go both ways at once', () => {
  const FILES = [0, 1, 2, 3, 4, 5]
  const bytes = randomBytes(6 << 20)
  const taken = { bytes: 0 }
  let shared: string
  let vm: Machine

  beforeAll(async () => {
    shared = temporaryDirectory()
    mkdirSync(join(shared, 'out'))
    for (const file of FILES) writeFileSync(join(shared, `file${file}`), bytes)
    const made = share({
      '/large': bytes,
      '/inbox': { write: (data) => void (taken.bytes += data.length) },
    })
    vm = await bootTested({
      transport: 'tcp',
      shares: [
        { source: shared, target: '/mnt' },
        { source: made, target: '/made' },
      ],
    })
  })

  afterAll(async () => {
    await vm?.[Symbol.asyncDispose]()
  })

  /** In the guest: both, once for each file, and all of it at once. */
  function bothWays(read: string, write: string): string {
    const each = FILES.map((file) =>
      [read, write].map((part) => `${part.replaceAll('N', `${file}`)} &`),
    )
    return `${each.flat().join('\n')}\nwait`
  }

  /** What was read at once is the same everywhere. */
  async function expectBothWays(read: string, write: string): Promise<void> {
    await vm.succeed(bothWays(read, write), { timeout: 100 })
    const sums = await vm.succeed('cat /tmp/sum?')
    expect(new Set(sums.trim().split('\n')).size).toBe(1)
  }

  it('in a share', { timeout: 120_000 }, async () => {
    await expectBothWays(
      'dd if=/mnt/fileN bs=1M 2>/dev/null | cksum >/tmp/sumN',
      'dd if=/dev/zero of=/mnt/out/N bs=1M count=6 2>/dev/null',
    )
    for (const file of FILES) {
      expect(readFileSync(join(shared, `out/${file}`)).equals(Buffer.alloc(6 << 20))).toBe(true)
    }
  })

  it('in a share that is made of functions', { timeout: 120_000 }, async () => {
    await expectBothWays(
      'dd if=/made/large bs=1M 2>/dev/null | cksum >/tmp/sumN',
      'dd if=/dev/zero of=/made/inbox bs=1M count=6 conv=notrunc 2>/dev/null',
    )
    expect(taken.bytes).toBe(FILES.length * (6 << 20))
  })

  it('in commands', { timeout: 120_000 }, async () => {
    const part = bytes.subarray(0, 4 << 20)
    const ends = await Promise.all(
      Array.from({ length: 6 }, () =>
        vm.exec('cat', { stdin: part, encoding: 'buffer', timeout: 100 }),
      ),
    )
    for (const { stdout } of ends) expect(part.equals(stdout)).toBe(true)
  })
})
