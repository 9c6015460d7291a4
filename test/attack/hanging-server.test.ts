import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import type { Client } from '../../src/9p/client.ts'
import { payloadBytes } from '../../src/9p/index.ts'
import type { Share } from '../../src/server/share.ts'
import { isSystemError } from '../../src/util/error.ts'
import {
  attached,
  connected,
  serveDirectory,
  sharePolicy,
  shareSettings,
} from '../support/directory-server.ts'
import { HangingFiles, cannotHang } from '../support/hanging-files.ts'
import { built } from '../support/ordinary-user.ts'
import { afterwards, temporaryDirectory } from '../support/temporary.ts'
import { Cli } from '../support/vm-cli.ts'

let folder: string

beforeEach(() => {
  folder = temporaryDirectory()
})

async function readFile(client: Client): Promise<string> {
  await client.call.walk({ fid: 0, newfid: 1, names: ['file'] })
  await client.call.lopen({ fid: 1, flags: 0 })
  const { data } = await client.call.read({ fid: 1, offset: 0, count: 100 })
  return payloadBytes(data).toString()
}

/** Opens the file that hangs, and resolves when the server hangs with it. */
async function hang(client: Client, files: HangingFiles): Promise<void> {
  const hanging = files.hanging()
  await client.call.walk({ fid: 0, newfid: 9, names: ['hangs'] })
  client.call.lopen({ fid: 9, flags: 0 }).catch(() => {})
  await hanging
}

function isAlive(pid: number | undefined): boolean {
  try {
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch (error) {
    if (isSystemError(error, 'ENOENT', 'ESRCH')) return false
    throw error
  }
}

describe.skipIf(cannotHang)('a server whose file system hangs', () => {
  it('holds up no other, can be closed, and ends when the file system answers', async () => {
    const files = await HangingFiles.mount(join(folder, 'hanging'))
    writeFileSync(join(folder, 'file'), 'hello')
    const hanging = await serveDirectory(join(folder, 'hanging'))
    await using other = await serveDirectory(folder)
    const [client, second] = await Promise.all([hanging.client(), other.client()])
    expect(await readFile(client)).toBe('hello')
    await hang(client, files)

    expect(await readFile(second)).toBe('hello')
    second.close()

    const { pid } = hanging.engine
    await hanging.engine.close()
    await hanging.engine.ended
    expect(hanging.log.at(-1)).toBe(
      `process ${pid} hangs in a file system and is left behind; it ends when that answers`,
    )
    expect(existsSync(hanging.socketPath)).toBe(false)
    // Not even SIGKILL ends it, which is why nothing may wait for it.
    expect(isAlive(pid)).toBe(true)
    await files.end()
    await vi.waitFor(() => expect(isAlive(pid)).toBe(false), { timeout: 60_000 })
    client.close()
  })

  it.each(['SIGTERM', 'SIGINT'] as const)(
    'of lowerdir serve ends with it by %s',
    async (signal) => {
      const shared = join(folder, 'hanging')
      const files = await HangingFiles.mount(shared)
      const path = join(folder, 'socket')
      await using cli = Cli.start(['serve', shared, '--listen', `unix:${path}`, '--verbose'])
      await cli.printed('trans=unix,')
      const client = await attached(await connected({ kind: 'unix', path }))
      await hang(client, files)
      cli.child.kill(signal)
      const { status, stderr } = await cli.end()
      expect([status, existsSync(path)]).toEqual([0, false])
      expect(stderr).toContain('hangs in a file system and is left behind')
      client.close()
    },
  )
})

describe.skipIf(cannotHang)('an export of lowerdir serve that hangs', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)(
    'holds up no other export, and %s ends the server',
    async (signal) => {
      const shared = join(folder, 'hanging')
      const files = await HangingFiles.mount(shared)
      writeFileSync(join(folder, 'file'), 'hello')
      const path = join(folder, 'socket')
      const exports = ['--export', `hangs=${shared}`, '--export', `other=${folder}`]
      await using cli = Cli.start(['serve', ...exports, '--listen', `unix:${path}`, '--verbose'])
      await cli.printed('aname=other ')
      const attachedTo = async (aname: string): Promise<Client> =>
        attached(await connected({ kind: 'unix', path }), undefined, aname)
      const [client, other] = await Promise.all([attachedTo('hangs'), attachedTo('other')])
      await hang(client, files)
      // Another client of it waits as well, as long as that hangs.
      const late = await connected({ kind: 'unix', path })
      attached(late, undefined, 'hangs').catch(() => {})
      expect(await readFile(other)).toBe('hello')
      expect(await readFile(await attachedTo('other'))).toBe('hello')
      cli.child.kill(signal)
      const { status, stderr } = await cli.end()
      expect([status, existsSync(path)]).toEqual([0, false])
      expect(stderr).toMatch(
        /^lowerdir: hangs: process \d+ hangs in a file system and is left behind/m,
      )
      client.close()
      late.destroy()
    },
  )

  it('holds up no other when it hangs before it is served', async () => {
    const shared = join(folder, 'hanging')
    const files = await HangingFiles.mount(shared, 'root')
    writeFileSync(join(folder, 'file'), 'hello')
    const path = join(folder, 'socket')
    const hanging = files.hanging()
    const exports = ['--export', `hangs=${shared}`, '--export', `other=${folder}`]
    await using cli = Cli.start(['serve', ...exports, '--listen', `unix:${path}`])
    await hanging
    const other = await attached(await connected({ kind: 'unix', path }), undefined, 'other')
    expect(await readFile(other)).toBe('hello')
    cli.child.kill('SIGTERM')
    expect((await cli.end()).status).toBe(0)
  })
})

describe.skipIf(cannotHang)('a file system that hangs before it is served', () => {
  it.each([
    ['the only directory', (path: string) => [path]],
    ['one of several', (path: string) => ['--export', `a=${path}`, '--export', `b=${folder}`]],
  ])('leaves lowerdir serve the ability to end: %s', async (_what, exported) => {
    const shared = join(folder, 'hanging')
    const files = await HangingFiles.mount(shared, 'root')
    const path = join(folder, 'socket')
    const hanging = files.hanging()
    await using cli = Cli.start(['serve', ...exported(shared), '--listen', `unix:${path}`])
    await hanging
    cli.child.kill('SIGTERM')
    const { status, stdout } = await cli.end()
    expect([status, stdout.toString(), existsSync(path)]).toEqual([0, '', false])
  })
})

describe('a server that does not answer', () => {
  it('is killed when it is closed', async () => {
    const server = await serveDirectory(folder)
    const { pid = 0 } = server.engine
    process.kill(pid, 'SIGSTOP')
    await server.engine.close()
    await server.engine.ended
    expect(isAlive(pid)).toBe(false)
    expect(existsSync(server.socketPath)).toBe(false)
  })

  it('is killed when its starter dies', async () => {
    mkdirSync(join(folder, 'shared'))
    const share: Share = {
      ...shareSettings,
      exports: [{ name: null, directory: join(folder, 'shared'), ...sharePolicy }],
      listen: [{ kind: 'unix', path: join(folder, 'socket') }],
    }
    const script = `
      import { startEngine } from '${built('server/start.js')}'
      const { pid } = await startEngine(${JSON.stringify(share)})
      process.kill(pid, 'SIGSTOP')
      console.log(pid)`
    const starter = spawn(process.execPath, ['--input-type=module', '--eval', script])
    afterwards(() => starter.kill('SIGKILL'))
    const [line] = (await once(starter.stdout, 'data')) as [Buffer]
    const pid = Number(line.toString())
    expect(isAlive(pid)).toBe(true)
    starter.kill('SIGKILL')
    await vi.waitFor(() => expect(isAlive(pid)).toBe(false), { timeout: 60_000 })
  })
})

describe('a server that ends by itself', () => {
  it('says how, and its starter goes on', async () => {
    const server = await serveDirectory(folder)
    const { pid = 0 } = server.engine
    process.kill(pid, 'SIGKILL')
    await expect(server.engine.ended).rejects.toThrow(
      `The server of ${folder} (process ${pid}) has ended by itself, by SIGKILL`,
    )
    await expect(server.engine.save()).rejects.toThrow('its server has ended')
    expect(existsSync(server.socketPath)).toBe(false)
  })

  it('is not ended by signals that mean its starter', async () => {
    await using server = await serveDirectory(folder)
    const client = await server.client()
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR1'] as const) {
      // systemd and terminals send these to a starter's servers as well, and the starter decides.
      process.kill(server.engine.pid ?? 0, signal)
      await client.call.getattr({ fid: 0, mask: 1 })
    }
    client.close()
  })
})
