import { readdir } from 'node:fs/promises'
import { type IncomingMessage, type ServerResponse, createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { fetchBusybox } from '../../src/provision/busybox.ts'
import { temporaryFolder } from '../provision/folder.ts'

// A proxy between apt and the mirror of Debian that this machine uses. It changes what it passes on.

beforeEach(() => {
  vi.stubEnv('LOWERDIR_BUSYBOX', '')
})
afterEach(() => {
  vi.unstubAllEnvs()
})

/** Changes the body of a reply; undefined where it passes the reply on as it is. */
type Tamper = (path: string, body: Buffer) => Buffer | undefined

/** Starts the proxy and has apt use it. */
async function tamperWith(tamper: Tamper): Promise<void> {
  const server = createServer((asked, reply) => {
    void passOn(asked, reply, tamper)
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  vi.stubEnv('http_proxy', `http://127.0.0.1:${port}`)
  vi.stubEnv('no_proxy', '')
}

async function passOn(
  asked: IncomingMessage,
  reply: ServerResponse,
  tamper: Tamper,
): Promise<void> {
  const url = asked.url ?? ''
  const { status, body } = await new Promise<{ status: number; body: Buffer }>(
    (resolve, reject) => {
      const onward = request(url, (answer) => {
        const parts: Buffer[] = []
        answer.on('data', (part: Buffer) => parts.push(part))
        answer.on('end', () => {
          resolve({ status: answer.statusCode ?? 502, body: Buffer.concat(parts) })
        })
      })
      onward.on('error', reject)
      onward.end()
    },
  ).catch((error: unknown) => ({ status: 502, body: Buffer.from(String(error)) }))
  const changed = tamper(new URL(url).pathname, body) ?? body
  reply.writeHead(status, { 'content-length': changed.length })
  reply.end(changed)
}

function flipped(body: Buffer): Buffer {
  const other = Buffer.from(body)
  const middle = Math.floor(other.length / 2)
  other[middle] = (other[middle] ?? 0) ^ 1
  return other
}

const isIndex = (path: string): boolean => /\/by-hash\/|\/Packages/.test(path)

test.each<[string, Tamper]>([
  ['a package', (path, body) => (path.endsWith('.deb') ? flipped(body) : undefined)],
  [
    'a package, which is longer now',
    (path, body) => (path.endsWith('.deb') ? Buffer.concat([body, body]) : undefined),
  ],
  ['the index', (path, body) => (isIndex(path) ? flipped(body) : undefined)],
  [
    'the signed list of indexes',
    (path, body) => (path.endsWith('Release') ? flipped(body) : undefined),
  ],
  ['everything, into a login page', () => Buffer.from('<html>Please log in</html>\n')],
])(
  'a mirror that has changed %s is not trusted, and is not said to be out of reach',
  async (_what, tamper) => {
    await tamperWith(tamper)
    const cache = await temporaryFolder()
    const error: unknown = await fetchBusybox({ cache }).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'untrusted' })
    expect((error as Error).message).not.toMatch(/cannot be reached/)
    expect(await readdir(join(cache, 'busybox')).catch(() => [])).toEqual([])
  },
  300_000,
)
