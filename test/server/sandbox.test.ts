import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { errno } from '../../src/sys/errno.ts'
import { payloadBytes } from '../../src/9p/index.ts'
import { serveDirectory, sharePolicy, shareSettings } from '../support/directory-server.ts'
import { type Escape, tryToEscape } from '../support/escape.ts'
import { memoryOf } from '../support/frames.ts'
import { built } from '../support/ordinary-user.ts'
import { cannotSandbox } from '../support/sandbox-kernel.ts'
import { afterwards, mountTmpfs, needsRoot, temporaryDirectory } from '../support/temporary.ts'

let folder: string
let exported: string
let outside: string

beforeEach(() => {
  folder = temporaryDirectory()
  exported = join(folder, 'exported')
  outside = join(folder, 'outside')
  for (const path of [exported, outside]) {
    mkdirSync(path)
    writeFileSync(join(path, 'file'), 'content')
  }
  mkdirSync(join(exported, 'directory'))
  symlinkSync('../outside/file', join(exported, 'way-out'))
})

describe.skipIf(cannotSandbox)('a process in the sandbox', () => {
  const refused = {
    'read outside': 'EACCES',
    'read /etc/passwd': 'EACCES',
    'read /proc/self/environ': 'EACCES',
    'read outside through ..': 'EACCES',
    'read outside through a symlink': 'EACCES',
    'list /': 'EACCES',
    'write outside': 'EACCES',
    'create outside': 'EACCES',
    execute: 'EPERM',
    'run a program': 'EPERM',
    fork: 'EPERM',
    connect: 'EPERM',
    listen: 'EPERM',
    mount: 'EPERM',
    ptrace: 'EPERM',
    unshare: 'EPERM',
    'signal itself': 'EPERM',
  }
  const harmless = { allocate: 'done', 'make an eventfd': 'done' }

  function untouched(): void {
    expect(readdirSync(outside)).toEqual(['file'])
    expect(readFileSync(join(outside, 'file'), 'utf8')).toBe('content')
  }

  it('reaches and changes its exports, and reaches nothing else', async () => {
    const { log, answers }: Escape = await tryToEscape(exported, outside, false)
    expect(log).toMatch(/^sandbox: no_new_privs, Landlock ABI \d+, seccomp$/)
    expect(answers).toMatchObject({ ...refused, ...harmless })
    for (const name of ['mkdir outside', 'unlink outside', 'move in', 'move out', 'link in']) {
      expect([name, answers[name]]).toEqual([name, expect.stringMatching(/^(EACCES|EXDEV)$/)])
    }
    const inside = Object.entries(answers).filter(([name]) => name.endsWith(' inside'))
    expect(inside.filter(([, answer]) => answer !== 'done')).toEqual([])
    expect(inside).toHaveLength(11)
    untouched()
  })

  it('changes nothing at all where everything is read-only', async () => {
    const before = statSync(join(exported, 'file'))
    const { answers } = await tryToEscape(exported, outside, true)
    expect(answers).toMatchObject({ ...refused, ...harmless })
    expect(answers).toMatchObject({ 'read inside': 'done', 'list inside': 'done' })
    const { ino, mode, size, mtimeMs, ctimeMs } = before
    for (const name of ['write inside', 'create inside', 'truncate inside']) {
      expect([name, answers[name]]).toEqual([name, expect.stringMatching(/^(EACCES|EROFS)$/)])
    }
    for (const name of ['mkdir', 'chmod', 'utimes', 'link', 'move', 'unlink']) {
      expect([name, answers[`${name} inside`]]).toEqual([name, 'EROFS'])
    }
    for (const name of ['mkdir outside', 'unlink outside', 'move in', 'move out', 'link in']) {
      expect([name, answers[name]]).toEqual([name, 'EROFS'])
    }
    expect(statSync(join(exported, 'file'))).toMatchObject({ ino, mode, size, mtimeMs, ctimeMs })
    expect(readdirSync(exported).toSorted()).toEqual(['directory', 'file', 'way-out'])
    untouched()
  })
})

describe.skipIf(cannotSandbox)('an engine in the sandbox', () => {
  it('says what it has', async () => {
    await using server = await serveDirectory(exported, { sandbox: 'require' })
    const client = await server.client()
    expect(server.log[0]).toMatch(/^sandbox: no_new_privs, Landlock ABI \d+, seccomp$/)
    client.close()
    await using free = await serveDirectory(exported, { sandbox: 'off' })
    ;(await free.client()).close()
    expect(free.log[0]).toBe('sandbox: off')
  })

  it('reads and writes a file that was unlinked meanwhile', async () => {
    await using server = await serveDirectory(exported, { sandbox: 'require' })
    const client = await server.client()
    const { call } = client
    await call.walk({ fid: 0, newfid: 1, names: ['file'] })
    await call.walk({ fid: 1, newfid: 2, names: [] })
    await call.unlinkat({ dirfid: 0, name: 'file', flags: 0 })
    await call.lopen({ fid: 1, flags: 2 })
    const data = { memory: memoryOf(Buffer.from('new')), offset: 0, length: 3 }
    await call.write({ fid: 1, offset: 0, data })
    await call.lopen({ fid: 2, flags: 0 })
    const read = await call.read({ fid: 2, offset: 0, count: 100 })
    expect(payloadBytes(read.data).toString()).toBe('newtent')
    client.close()
  })

  it('serves file systems that are mounted inside, before and after it has begun', async () => {
    needsRoot('mounts file systems')
    const bound = join(exported, 'bound')
    mountTmpfs(join(exported, 'early'))
    mkdirSync(bound)
    execFileSync('mount', ['--bind', outside, bound])
    afterwards(() => execFileSync('umount', ['--lazy', bound]))
    await using server = await serveDirectory(exported, { sandbox: 'require' })
    mountTmpfs(join(exported, 'late'))
    mountTmpfs(join(exported, 'late/deep'))
    const client = await server.client()
    const folders = [['early'], ['late'], ['late', 'deep'], ['bound']]
    for (const [i, names] of folders.entries()) {
      const fid = i + 1
      await client.call.walk({ fid: 0, newfid: fid, names })
      await client.call.lcreate({ fid, name: 'new', flags: 2, mode: 0o644, gid: 0 })
      await client.call.mkdir({ dfid: 0, name: `made ${fid}`, mode: 0o755, gid: 0 })
      expect(statSync(join(exported, ...names, 'new')).size).toBe(0)
    }
    client.close()
  })

  it('cannot open a file that the host has moved out of the export', async () => {
    await using server = await serveDirectory(exported, { sandbox: 'require' })
    const client = await server.client()
    await client.call.walk({ fid: 0, newfid: 1, names: ['file'] })
    // From now on it is held by a descriptor, and not by its name alone.
    await client.call.statfs({ fid: 1 })
    execFileSync('mv', [join(exported, 'file'), join(outside, 'moved')])
    const opening = client.call.lopen({ fid: 1, flags: 0 })
    await expect(opening).rejects.toMatchObject({ errno: errno.EACCES })
    client.close()
  })

  it('does without what the kernel refuses, or says that it was required', () => {
    const share = {
      exports: [{ name: null, directory: exported, ...sharePolicy }],
      listen: [{ kind: 'unix', path: join(folder, 'socket') }],
      ...shareSettings,
    }
    // Landlock stacks 16 times and no more, and a thread begins with what its maker has.
    const script = `
      import { startEngine } from '${built('server/start.js')}'
      import { openat } from '${built('sys/files.js')}'
      import { restrictThread } from '${built('sys/landlock.js')}'
      const root = openat(-100, '/', 0)
      for (let i = 0; i < 16; i++) restrictThread([{ directory: root, rights: 0x1ffff }])
      const share = ${JSON.stringify(share)}
      const lines = []
      const engine = await startEngine(share, (line) => lines.push(line))
      await new Promise((resolve) => setImmediate(resolve))
      await engine.close()
      await startEngine({ ...share, sandbox: 'require' }).catch((error) => lines.push(String(error)))
      console.log(JSON.stringify(lines))
      process.exit()`
    const args = ['--input-type=module', '--eval', script]
    const text = execFileSync(process.execPath, args, { encoding: 'utf8', timeout: 60_000 })
    const [auto, required] = JSON.parse(text) as string[]
    const why = /Landlock ABI \d+ \(landlock_restrict_self: E2BIG\)/.source
    expect(auto).toMatch(new RegExp(`^sandbox: no_new_privs, seccomp; without ${why}$`))
    expect(required).toMatch(
      new RegExp(`^SandboxError: The sandbox is not complete: there is no ${why}\\.$`),
    )
    expect(readdirSync(folder).toSorted()).toEqual(['exported', 'outside'])
  })
})
