import {
  mkdtempSync,
  readFileSync,
  readdirSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Cli } from '../support/vm-cli.ts'

const clone = fileURLToPath(new URL('../..', import.meta.url))
const built = (file: string): string =>
  JSON.stringify(new URL(`../../dist/${file}`, import.meta.url).href)

/**
 * As people write them. Tests whose time is to be over have a machine that goes on from a snapshot: it is there within
 * a second, so that their time can be short. It has a console.log if its console has said something since.
 */
const tests = `
  import { beforeAll, describe, expect, test } from 'vitest'
  import { Machine, boot, network, snapshotOf } from ${built('index.js')}
  import { vmTest } from ${built('vitest.js')}

  const small = { init: 'none', memory: 384, transport: 'tcp' }
  const machines = []
  const withFixture = vmTest({ ...small, name: 'fixture' })
  const withRestored = vmTest({ ...small, name: 'restored' }, { snapshot: true })
  let snapshot
  beforeAll(async () => {
    snapshot = await snapshotOf({ ...small, name: 'restored' })
  }, 200_000)
  const restored = (context) => Machine.restore(snapshot, { test: context })

  withFixture('a fixture passes', async ({ vm }) => {
    machines.push(vm)
    await vm.succeed('true')
  })

  withFixture('a fixture fails', async ({ vm }) => {
    machines.push(vm)
    await vm.succeed('false')
  })

  withRestored('a restored fixture passes', async ({ vm }) => {
    machines.push(vm)
    await vm.succeed('true')
  })

  test('passes', async (context) => {
    const vm = await boot({ ...small, name: 'passing', test: context })
    machines.push(vm)
    await vm.succeed('true')
  })

  test('owns a network', async (context) => {
    const net = await network({ machines: { left: small, right: small }, test: context })
    machines.push(...Object.values(net.machines))
    throw new Error('enough')
  })

  // They wait for the end of their time together.
  describe.concurrent('late', { timeout: 30_000 }, () => {
    withRestored('a fixture takes too long', async ({ vm }) => {
      machines.push(vm)
      await vm.succeed('echo said >/dev/console')
      await vm.waitForFile('/never')
    })

    test('takes too long', async (context) => {
      const vm = await restored(context)
      machines.push(vm)
      await vm.succeed('echo said >/dev/console')
      await vm.waitForFile('/never')
    })

    let attempts = 0
    test('passes when tried again', { retry: 1 }, async (context) => {
      const vm = await restored(context)
      machines.push(vm)
      await vm.succeed('echo said >/dev/console')
      if (++attempts === 1) await vm.waitForFile('/never')
    })
  })

  test('comes behind them', () => {
    expect(machines.map(({ isUp }) => isUp)).toEqual(Array(10).fill(false))
  })`

/** What Vitest's own reporter tells of a test. */
interface Reported {
  readonly title: string
  readonly status: string
  readonly meta: { readonly lowerdir?: { readonly artifacts: readonly string[] } }
}

describe('machines of tests of Vitest’s', () => {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'lowerdir-test-')))
  let reported: readonly Reported[]
  let rest: readonly unknown[]

  beforeAll(async () => {
    symlinkSync(join(clone, 'node_modules'), join(folder, 'node_modules'))
    writeFileSync(join(folder, 'machines.test.mjs'), tests)
    const vitest = join(clone, 'node_modules/vitest/vitest.mjs')
    const args = ['run', '--root', folder, '--testTimeout=200000']
    const reporter = ['--reporter=json', '--outputFile=results.json']
    await using cli = Cli.staged(
      { argv: [process.execPath, vitest, ...args, ...reporter], env: { TMPDIR: folder } },
      { cwd: folder },
    )
    await cli.end(800)
    rest = [...cli.leftovers(), ...cli.helpers()]
    const results = JSON.parse(readFileSync(join(folder, 'results.json'), 'utf8')) as {
      readonly testResults: readonly { readonly assertionResults: readonly Reported[] }[]
    }
    reported = results.testResults.flatMap(({ assertionResults }) => assertionResults)
  }, 900_000)

  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  const record = ['console.log', 'events.jsonl', 'qemu.txt', 'screenshot-1.png']

  it('end with their tests, however these end', () => {
    expect(reported.map(({ title, status }) => [title, status])).toEqual([
      ['a fixture passes', 'passed'],
      ['a fixture fails', 'failed'],
      ['a restored fixture passes', 'passed'],
      ['passes', 'passed'],
      ['owns a network', 'failed'],
      ['a fixture takes too long', 'failed'],
      ['takes too long', 'failed'],
      ['passes when tried again', 'passed'],
      ['comes behind them', 'passed'],
    ])
    expect(rest).toEqual([])
  })

  it('leave artifacts if a test has failed, also only at its first try, and none otherwise', () => {
    const kept = join(folder, '.lowerdir')
    expect(readdirSync(kept).toSorted()).toEqual([
      'fixture',
      'left',
      'restored',
      'restored-2',
      'restored-3',
      'right',
    ])
    for (const machine of readdirSync(kept))
      expect(readdirSync(join(kept, machine)).toSorted()).toEqual(record)
  })

  it('tell reporters where the artifacts are', () => {
    const told = reported.map(({ title, meta }) => [
      title,
      meta.lowerdir?.artifacts.map((path) => basename(path)).toSorted(),
    ])
    expect(Object.fromEntries(told)).toMatchObject({
      'a fixture passes': undefined,
      'a restored fixture passes': undefined,
      'a fixture fails': record,
      'a fixture takes too long': record,
      'owns a network': [...record, ...record].toSorted(),
      'takes too long': record,
    })
  })
})
