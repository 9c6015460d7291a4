import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { CHILD, OWNER } from '../../src/machine/reaper.ts'
import { RuntimeFolder } from '../../src/machine/runtime-folder.ts'
import { temporaryDirectory } from '../support/temporary.ts'

let base: string
const children: ChildProcess[] = []

beforeEach(() => {
  base = temporaryDirectory()
  vi.stubEnv('XDG_RUNTIME_DIR', '')
  vi.stubEnv('TMPDIR', base)
})

afterEach(() => {
  vi.unstubAllEnvs()
  for (const child of children) child.kill('SIGKILL')
})

/** What making a folder does first. */
function sweep(): void {
  RuntimeFolder.create()[Symbol.dispose]()
}

/** A folder as a process with this identity would have left it. */
function leave(name: string, owner: string, child?: string): string {
  using first = RuntimeFolder.create()
  const folder = join(dirname(first.path), name)
  mkdirSync(folder)
  writeFileSync(join(folder, OWNER), owner)
  if (child !== undefined) writeFileSync(join(folder, CHILD), child)
  return folder
}

/** A process, and the identity that a folder gives it. */
async function sleeper(): Promise<{ readonly child: ChildProcess; readonly identity: string }> {
  const child = spawn('sleep', ['1000'])
  children.push(child)
  await once(child, 'spawn')
  using folder = RuntimeFolder.create()
  folder.adopt(child.pid!)
  return { child, identity: readFileSync(folder.file(CHILD), 'utf8') }
}

/** The identity of a process that has ended. */
async function deadIdentity(): Promise<string> {
  const { child, identity } = await sleeper()
  child.kill('SIGKILL')
  await once(child, 'exit')
  return identity
}

it('is this user’s alone, and gone when disposed of', () => {
  const folder = RuntimeFolder.create()
  expect(statSync(folder.path).mode & 0o777).toBe(0o700)
  expect(statSync(dirname(folder.path)).mode & 0o777).toBe(0o700)
  folder[Symbol.dispose]()
  expect(existsSync(folder.path)).toBe(false)
})

it('removes the folders of a dead process, and ends its children', async () => {
  const { child, identity } = await sleeper()
  const ended = once(child, 'exit')
  const stale = leave('vm-stale', await deadIdentity(), identity)
  sweep()
  expect(existsSync(stale)).toBe(false)
  expect(await ended).toEqual([null, 'SIGKILL'])
})

it('leaves a living process’s folder alone', async () => {
  const { identity } = await sleeper()
  const theirs = leave('vm-theirs', identity)
  sweep()
  expect(existsSync(theirs)).toBe(true)
})

it('distinguishes a process from an earlier one with the same id', async () => {
  const { child, identity } = await sleeper()
  const earlier = `${identity.slice(0, identity.lastIndexOf('.'))}.1`
  const stale = leave('vm-reused', earlier, earlier)
  sweep()
  expect(existsSync(stale)).toBe(false)
  expect(child.exitCode ?? child.signalCode).toBeNull()
})

it('leaves the folder of a process in another container, or of another boot, alone', async () => {
  const { child, identity } = await sleeper()
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
