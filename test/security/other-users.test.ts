import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { describe, expect, it } from 'vitest'
import { close } from '../../src/sys/files.ts'
import { listenUnix } from '../../src/sys/sockets.ts'
import { built, ordinaryId } from '../support/ordinary-user.ts'
import { serveDirectory } from '../support/directory-server.ts'
import { afterwards, needsRoot, temporaryDirectory } from '../support/temporary.ts'

/** Another user tries to connect, again and again, until its input ends; prints how each try came out. */
const knock = `
  const [path, id, sockets, files] = process.argv.slice(1)
  const { connectUnix } = await import(sockets)
  const { close } = await import(files)
  process.setgroups([])
  process.setgid(Number(id))
  process.setuid(Number(id))
  const found = {}
  let over = false
  process.stdin.resume().on('end', () => (over = true))
  function some() {
    for (let i = 0; i < 100; i++) {
      let outcome = 'connected'
      try { close(connectUnix(path)) } catch (error) { outcome = error.code }
      found[outcome] = (found[outcome] ?? 0) + 1
    }
    if (over) console.log(JSON.stringify(found))
    else setImmediate(some)
  }
  console.error('begun')
  some()
`

/** What another user has found at `path` by the time that `meanwhile` is done. */
async function knocks(path: string, meanwhile: () => void): Promise<Record<string, number>> {
  const values = [path, `${ordinaryId}`, built('sys/sockets.js'), built('sys/files.js')]
  const node = ['--input-type=module', '--eval', knock, ...values]
  const child = spawn(process.execPath, node, { stdio: 'pipe' })
  afterwards(() => child.kill('SIGKILL'))
  await once(child.stderr, 'data')
  const printed = text(child.stdout)
  meanwhile()
  child.stdin.end()
  return JSON.parse(await printed) as Record<string, number>
}

/** A folder that all users may read, so that only the socket's mode keeps them out. */
function openFolder(): string {
  const folder = temporaryDirectory()
  chmodSync(folder, 0o755)
  return folder
}

describe('the socket of a server', () => {
  it('lets no other user connect, not even at the moment when it is made', async () => {
    needsRoot('becomes another user')
    const umask = process.umask(0)
    afterwards(() => process.umask(umask))
    const path = join(openFolder(), 'socket')
    const found = await knocks(path, () => {
      for (let i = 0; i < 5000; i++) {
        close(listenUnix(path))
        rmSync(path)
      }
      const last = listenUnix(path)
      afterwards(() => close(last))
    })
    // Not 'ECONNREFUSED' either: a user who gets that may connect to the socket, and only came before listen(2). A
    // moment later the connection would have succeeded.
    const { EACCES, ENOENT: _absent, ...others } = found
    expect(others).toEqual({})
    expect(EACCES).toBeGreaterThan(0)
  })

  it('lets no other user connect while it serves', async () => {
    needsRoot('becomes another user')
    const folder = openFolder()
    await using server = await serveDirectory(folder, {}, folder)
    expect(await knocks(server.socketPath, () => {})).toEqual({ EACCES: expect.any(Number) })
    expect(server.log.some((line) => line.includes('connected'))).toBe(false)
  })
})
