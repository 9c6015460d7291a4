import { once } from 'node:events'
import { existsSync, mkdirSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { CHILD, OWNER } from '../../src/machine/reaper.ts'
import { RuntimeFolder } from '../../src/machine/runtime-folder.ts'
import { FolderProcesses, makeFolder, sweep } from '../support/folder-processes.ts'
import { temporaryDirectory } from '../support/temporary.ts'

let base: string
const processes = new FolderProcesses()

beforeEach(() => {
  base = temporaryDirectory()
  vi.stubEnv('XDG_RUNTIME_DIR', '')
  vi.stubEnv('TMPDIR', base)
})

afterEach(() => {
  vi.unstubAllEnvs()
  processes[Symbol.dispose]()
})

/** A folder as a process with this identity would have left it. */
function leave(name: string, owner: string, child?: string): string {
  using first = RuntimeFolder.create()
  const folder = join(dirname(first.path), name)
  return makeFolder(folder, { [OWNER]: owner, ...(child === undefined ? {} : { [CHILD]: child }) })
}

it('is this user’s alone, and gone when disposed of', () => {
  const folder = RuntimeFolder.create()
  expect(statSync(folder.path).mode & 0o777).toBe(0o700)
  expect(statSync(dirname(folder.path)).mode & 0o777).toBe(0o700)
  folder[Symbol.dispose]()
  expect(existsSync(folder.path)).toBe(false)
})

it('removes the folders of a dead process, and ends its children', async () => {
  const { child, identity } = await processes.sleep()
  const ended = once(child, 'exit')
  const stale = leave('vm-stale', await processes.dead(), identity)
  sweep()
  expect(existsSync(stale)).toBe(false)
  expect(await ended).toEqual([null, 'SIGKILL'])
})

it('leaves a living process’s folder alone', async () => {
  const { identity } = await processes.sleep()
  const theirs = leave('vm-theirs', identity)
  sweep()
  expect(existsSync(theirs)).toBe(true)
})

it('distinguishes a process from an earlier one with the same id', async () => {
  const { child, identity } = await processes.sleep()
  const earlier = `${identity.slice(0, identity.lastIndexOf('.'))}.1`
  const stale = leave('vm-reused', earlier, earlier)
  sweep()
  expect(existsSync(stale)).toBe(false)
  expect(child.exitCode ?? child.signalCode).toBeNull()
})

it('leaves the folder of a process in another container, or of another boot, alone', async () => {
  const { child, identity } = await processes.sleep()
  const [boot, namespace, ...process] = identity.split('.')
  const others = [
    leave('vm-container', [boot, Number(namespace) + 1, ...process].join('.'), identity),
    leave('vm-machine', ['00000000', namespace, ...process].join('.'), identity),
  ]
  sweep()
  for (const other of others) expect(existsSync(other)).toBe(true)
  expect(child.exitCode ?? child.signalCode).toBeNull()
})

it('keeps a folder that was kept on purpose', () => {
  const kept = RuntimeFolder.create()
  kept.keep()
  kept[Symbol.dispose]()
  sweep()
  expect(existsSync(kept.path)).toBe(true)
})

it('says when the path is too long for a socket', () => {
  const long = join(base, 'x'.repeat(100))
  mkdirSync(long)
  vi.stubEnv('TMPDIR', long)
  expect(() => RuntimeFolder.create()).toThrow('Set TMPDIR to a shorter one')
})
