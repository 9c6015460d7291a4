import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type CacheMode, cacheModes } from '../../src/guest/mount.ts'
import type { Machine } from '../../src/machine/machine.ts'
import { behaviours, kernelBehaviours, usersBehaviours } from '../conformance/behaviours/index.ts'
import { type Difference, differences } from '../conformance/differences.ts'
import { conformanceLines, conformanceScript } from '../support/conformance-script.ts'
import { bootMachine, kernelSuites, sh, vmKernel } from '../support/vm-machine.ts'

/**
 * The behaviours of test/conformance on a share, through the client of the guest's kernel, in each of its
 * cache modes. Node comes from the guest's root, which is this machine's, and runs all of them in one
 * process: it starts slowly.
 */
describe.each(kernelSuites)('the kernel of Debian %s', (suite) => {
  let folder: string
  let machine: Machine

  beforeAll(async () => {
    folder = realpathSync(mkdtempSync(join(tmpdir(), 'lowerdir-test-')))
    const shares = cacheModes.map((cache) => {
      const source = join(folder, cache)
      mkdirSync(source)
      // Other users act in it, too.
      chmodSync(source, 0o755)
      return { source, target: `/share-${cache}`, readOnly: false, owner: 'host', cache } as const
    })
    machine = await bootMachine({ kernel: await vmKernel(suite), shares })
  })

  afterAll(async () => {
    await machine[Symbol.asyncDispose]()
    rmSync(folder, { recursive: true })
  })

  it.each(cacheModes)('finds what a file system does in a share, cache=%s', async (cache) => {
    const command = `${process.execPath} --no-warnings ${conformanceScript()} /share-${cache}`
    const { stdout, stderr } = await sh(machine, command)
    const lines = conformanceLines(stdout)
    const names = Object.keys({ ...behaviours, ...kernelBehaviours, ...usersBehaviours })
    expect(lines.map(({ name }) => name)).toEqual(names)
    expect(stderr).toBe('')

    const known = knownDifferences(suite, cache)
    const surprises = lines.filter(({ name, error }) => {
      const difference = known.get(name)
      if (difference === undefined) return error !== undefined
      return error === undefined ? difference.sometimes !== true : !difference.found.test(error)
    })
    expect(surprises).toEqual([])
  })

  it.each(cacheModes)('lists ten thousand names of the host once each, cache=%s', async (cache) => {
    const many = join(folder, cache, 'many')
    mkdirSync(many)
    const names = Array.from({ length: 10_000 }, (_, i) => `name-${i}`)
    for (const name of names) writeFileSync(join(many, name), '')
    const { stdout } = await sh(machine, `find /share-${cache}/many -mindepth 1 -printf '%f\\n'`)
    expect(stdout.trimEnd().split('\n').toSorted()).toEqual(names.toSorted())
  })
})

/** The differences that are known there, by behaviour. */
function knownDifferences(suite: string, cache: CacheMode): ReadonlyMap<string, Difference> {
  const applies = ({ suites, caches }: Difference): boolean =>
    (suites?.includes(suite) ?? true) && (caches?.includes(cache) ?? true)
  return new Map(
    differences
      .filter(applies)
      .flatMap((each) => each.behaviours.map((name) => [name, each] as const)),
  )
}
