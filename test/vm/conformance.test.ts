import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type CacheMode, cacheModes } from '../../src/guest/mount.ts'
import type { QemuMachine } from '../../src/machine/qemu-machine.ts'
import type { Transport } from '../../src/machine/transport.ts'
import { behaviours, kernelBehaviours, usersBehaviours } from '../conformance/behaviours/index.ts'
import { type Difference, differences } from '../conformance/differences.ts'
import { conformanceLines, conformanceScript } from '../support/conformance-script.ts'
import { type DirectoryServer, serveDirectory } from '../support/directory-server.ts'
import { bootMachine, kernelSuites, newest, oldest, sh } from '../support/vm-machine.ts'

/** Every way to a share: each cache mode over each transport. */
const ways = (['virtiofs', '9p', 'tcp'] as const).flatMap((transport) =>
  cacheModes.map((cache) => ({ transport, cache, name: `${transport}-${cache}` })),
)

/** Whether all behaviours run in all ways with both kernels, which takes twice as long. */
const isComplete = process.env['LOWERDIR_CONFORMANCE'] === 'all'

/**
 * The ways in which all behaviours run with a kernel. In the gate each way runs with one of the two kernels, so that
 * every kernel meets every transport and every cache mode, and every transport every cache mode.
 */
function waysOf(suite: string): typeof ways {
  if (isComplete) return ways
  return ways.filter(({ transport, cache }) => {
    const isNewest = (transport === '9p') !== (cache === 'mmap')
    return suite === (isNewest ? newest.kernel : oldest.kernel)
  })
}

/** Seconds that all behaviours may take in one share; 20 are usual on an idle machine. */
const BEHAVIOURS_SECONDS = 280

/**
 * The behaviours of test/conformance on shares, through the client of the guest's kernel. One guest has
 * shares over both transports: the machine's own are devices, and what others serve comes over tcp. Node comes
 * from the guest's root, which is this machine's, and runs all behaviours in one process: it starts slowly.
 */
describe.each(kernelSuites)('the kernel of Debian %s', (suite) => {
  const servers: DirectoryServer[] = []
  let folder: string
  let machine: QemuMachine

  beforeAll(async () => {
    folder = realpathSync(mkdtempSync(join(tmpdir(), 'lowerdir-test-')))
    chmodSync(folder, 0o755)
    const shares = []
    for (const { transport, cache, name } of ways) {
      const source = join(folder, name)
      mkdirSync(source)
      // Other users act in it, too.
      chmodSync(source, 0o755)
      const share = { target: `/${name}`, readOnly: false, cache }
      if (transport !== 'tcp') {
        shares.push({ ...share, source, owner: 'host', transport } as const)
      } else {
        const sockets = join(folder, `${name}.sockets`)
        mkdirSync(sockets)
        const server = await serveDirectory(source, {}, sockets)
        servers.push(server)
        shares.push({ ...share, socket: server.socketPath })
      }
    }
    machine = await bootMachine({ shares }, { ...newest, kernel: suite })
  })

  afterAll(async () => {
    await machine?.[Symbol.asyncDispose]()
    for (const { engine } of servers) await engine.close()
    rmSync(folder, { recursive: true })
  })

  it.each(waysOf(suite))(
    'finds what a file system does in a share over $transport, cache=$cache',
    async ({ name, cache, transport }) => {
      const command = `${process.execPath} --no-warnings ${conformanceScript()} /${name}`
      const { stdout, stderr } = await sh(machine, command, BEHAVIOURS_SECONDS)
      const lines = conformanceLines(stdout)
      const names = Object.keys({ ...behaviours, ...kernelBehaviours, ...usersBehaviours })
      expect(lines.map((line) => line.name)).toEqual(names)
      expect(stderr).toBe('')

      const known = knownDifferences(suite, cache, transport)
      const surprises = lines.filter(({ name: behaviour, error }) => {
        const difference = known.get(behaviour)
        if (difference === undefined) return error !== undefined
        return error === undefined ? difference.sometimes !== true : !difference.found.test(error)
      })
      expect(surprises).toEqual([])
    },
  )

  it.each(ways)(
    'lists ten thousand names of the host once each over $transport, cache=$cache',
    async ({ name }) => {
      const many = join(folder, name, 'many')
      mkdirSync(many)
      const names = Array.from({ length: 10_000 }, (_, i) => `name-${i}`)
      for (const each of names) writeFileSync(join(many, each), '')
      const { stdout } = await sh(machine, `find /${name}/many -mindepth 1 -printf '%f\\n'`)
      expect(stdout.trimEnd().split('\n').toSorted()).toEqual(names.toSorted())
    },
  )
})

/** The differences that are known there, by behaviour. */
function knownDifferences(
  suite: string,
  cache: CacheMode,
  transport: Transport,
): ReadonlyMap<string, Difference> {
  const applies = ({ suites, caches, transports }: Difference): boolean =>
    (suites?.includes(suite) ?? true) &&
    (caches?.includes(cache) ?? true) &&
    (transports?.includes(transport) ?? true)
  return new Map(
    differences
      .filter(applies)
      .flatMap((each) => each.behaviours.map((name) => [name, each] as const)),
  )
}
