import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it, vi } from 'vitest'
import { openEngine } from '../../src/server/engine.ts'
import type { Share } from '../../src/server/share.ts'
import { serveDirectory, sharePolicy, shareSettings } from '../support/directory-server.ts'
import { cannotSandbox } from '../support/sandbox-kernel.ts'
import { afterwards, temporaryDirectory } from '../support/temporary.ts'

const attacker = fileURLToPath(new URL('escape-from-server.cjs', import.meta.url))

/** A port of this machine at which something listens. */
async function listening(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  afterwards(() => server.close())
  await new Promise((resolve) => server.once('listening', resolve))
  const address = server.address()
  return typeof address === 'object' ? (address?.port ?? 0) : 0
}

/** What came of the attempts of an attacker whose code runs in the process of a confined server. */
async function attack(readOnly: boolean): Promise<Readonly<Record<string, string>>> {
  const folder = temporaryDirectory()
  const directory = join(folder, 'exported')
  const outside = join(folder, 'outside')
  const inside = join(directory, 'file')
  mkdirSync(directory)
  writeFileSync(outside, 'content')
  writeFileSync(inside, 'content')
  const { mode } = statSync(inside)
  const share: Share = {
    ...shareSettings,
    exports: [{ name: null, directory, ...sharePolicy, readOnly }],
    listen: [{ kind: 'unix', path: join(folder, 'socket') }],
    sandbox: 'require',
  }
  const values = JSON.stringify({ outside, inside, port: await listening() })
  const log: string[] = []
  const engine = openEngine(share, (line) => log.push(line), [attacker, values])
  await engine.serving
  await vi.waitFor(() => expect(log.at(-1)).toMatch(/^\{/), { timeout: 60_000 })
  await engine.ended.catch(() => {})
  expect(readFileSync(outside, 'utf8')).toBe('content')
  const isUnchanged =
    existsSync(inside) &&
    statSync(inside).mode === mode &&
    readFileSync(inside, 'utf8') === 'content'
  expect(isUnchanged).toBe(readOnly)
  return JSON.parse(log.at(-1) ?? '') as Readonly<Record<string, string>>
}

const outside = {
  'read /etc/shadow': 'EACCES',
  'read outside': 'EACCES',
  'write outside': 'EACCES',
  'list /': 'EACCES',
  'read another process': 'EACCES',
  connect: 'EPERM',
  'read outside in a new thread': 'EACCES',
  'read inside': 'done',
}

describe.skipIf(cannotSandbox)('an attacker in the process of a confined server', () => {
  it('reaches nothing outside of its exports, asynchronously either', async () => {
    const answers = await attack(false)
    expect(answers).toMatchObject(outside)
    expect(answers).toMatchObject({ 'write inside': 'done', 'unlink inside': 'done' })
  })

  it('changes nothing where all exports are read-only, asynchronously either', async () => {
    const answers = await attack(true)
    expect(answers).toMatchObject({ ...outside, 'chmod inside': 'EROFS', 'unlink inside': 'EROFS' })
    expect(answers['write inside']).toMatch(/^(EACCES|EROFS)$/)
  })
})

describe.skipIf(cannotSandbox)('a confined server', () => {
  it('has a filter in every thread, also in those that Node has started before', async () => {
    await using server = await serveDirectory(temporaryDirectory(), { sandbox: 'require' })
    const tasks = `/proc/${server.engine.pid}/task`
    const threads = readdirSync(tasks)
    expect(threads.length).toBeGreaterThan(1)
    for (const thread of threads) {
      const status = readFileSync(join(tasks, thread, 'status'), 'utf8')
      expect(status).toMatch(/^NoNewPrivs:\s*1$/m)
      expect(status).toMatch(/^Seccomp:\s*2$/m)
    }
  })

  it('has nothing of its starter’s environment', async () => {
    vi.stubEnv('SECRET', 'of the starter')
    afterwards(() => vi.unstubAllEnvs())
    await using server = await serveDirectory(temporaryDirectory(), { sandbox: 'require' })
    expect(readFileSync(`/proc/${server.engine.pid}/environ`, 'utf8')).toBe('')
  })
})

describe('a server that was taken over', () => {
  it.each([
    ['no message', `write(JSON.stringify({ kind: 'other' }))`, 'what is no message'],
    ['no JSON', `write('{')`, 'JSON'],
    [
      'too long a message',
      `write(JSON.stringify({ kind: 'log', line: 'x'.repeat(1e6) }))`,
      'bytes',
    ],
  ])('is killed when it tells its starter %s', async (_case, act, words) => {
    const folder = temporaryDirectory()
    const share: Share = {
      ...shareSettings,
      exports: [{ name: null, directory: folder, ...sharePolicy }],
      listen: [{ kind: 'unix', path: join(folder, 'socket') }],
    }
    const script = `
      const write = (text) => {
        const frame = Buffer.alloc(4 + text.length)
        frame.writeUInt32LE(text.length)
        frame.write(text, 4)
        require('node:fs').writeSync(3, frame)
      }
      ${act}
      setInterval(() => {}, 1000)`
    const engine = openEngine(share, () => {}, ['--eval', script])
    await expect(engine.serving).rejects.toThrow(words)
    await expect(engine.ended).rejects.toThrow(`The server of ${folder}`)
    expect(existsSync(`/proc/${engine.pid}`)).toBe(false)
    expect(readdirSync(folder)).toEqual([])
  })
})
