import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import type { Client } from '../../src/9p/client.ts'
import { errno } from '../../src/sys/errno.ts'
import { payloadBytes } from '../../src/9p/index.ts'
import { attached, connected } from '../support/directory-server.ts'
import { memoryFolder } from '../support/memory-folder.ts'
import { afterwards } from '../support/temporary.ts'

const FILES_EACH = 100
/** All 303,000 fids with `LOWERDIR_MANY_FIDS=303000`; without it a tenth, thirty times what there are descriptors for. */
const FIDS = Number(process.env['LOWERDIR_MANY_FIDS'] ?? 30_300)
const DIRECTORIES = Math.ceil(FIDS / (FILES_EACH + 1))
const DESCRIPTORS = 1024
const MASK = 0x7ff

/** Every so many files one is looked at more closely, and has something inside. */
const SAMPLE = 97

const directoryName = (d: number): string => `directory-${d}`
const fileName = (f: number): string => `file-${f}`

/** The fid of a file, and of a directory: each has its own. */
const fileFid = (d: number, f: number): number => 10_000 + d * FILES_EACH + f
const directoryFid = (d: number): number => 1 + d

function everyFile(): { readonly d: number; readonly f: number }[] {
  return Array.from({ length: DIRECTORIES * FILES_EACH }, (_, i) => {
    return { d: Math.floor(i / FILES_EACH), f: i % FILES_EACH }
  })
}

function fill(folder: string): void {
  for (let d = 0; d < DIRECTORIES; d++) mkdirSync(join(folder, directoryName(d)))
  everyFile().forEach(({ d, f }, i) => {
    const path = join(folder, directoryName(d), fileName(f))
    writeFileSync(path, i % SAMPLE === 0 ? `${d} ${f}` : '')
  })
}

async function serve(folder: string, socket: string): Promise<ChildProcess> {
  const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
  const script = `ulimit -n ${DESCRIPTORS} && exec "$0" "$@"`
  const args = [main, 'serve', folder, '--listen', `unix:${socket}`]
  const child = spawn('/bin/sh', ['-c', script, process.execPath, ...args], { stdio: 'ignore' })
  afterwards(() => child.kill('SIGKILL'))
  while (!existsSync(socket)) {
    if (child.exitCode !== null) throw new Error(`the server has ended with ${child.exitCode}`)
    await sleep(50)
  }
  return child
}

/** All of it, some requests at a time. */
async function forEach<T>(items: readonly T[], act: (item: T) => Promise<unknown>): Promise<void> {
  for (let i = 0; i < items.length; i += 500) await Promise.all(items.slice(i, i + 500).map(act))
}

async function walkAll(client: Client): Promise<void> {
  const directories = Array.from({ length: DIRECTORIES }, (_, d) => d)
  await forEach(directories, (d) =>
    client.call.walk({ fid: 0, newfid: directoryFid(d), names: [directoryName(d)] }),
  )
  await forEach(everyFile(), ({ d, f }) =>
    client.call.walk({ fid: directoryFid(d), newfid: fileFid(d, f), names: [fileName(f)] }),
  )
}

it(`a client holds ${DIRECTORIES * (FILES_EACH + 1)} fids on a server that has ${DESCRIPTORS} descriptors`, async () => {
  const folder = mkdtempSync(join(memoryFolder, 'lowerdir-test-'))
  afterwards(() => rmSync(folder, { recursive: true, force: true }))
  const shared = join(folder, 'shared')
  mkdirSync(shared)
  fill(shared)
  const socket = join(folder, 'socket')
  const server = await serve(shared, socket)
  const client = await attached(await connected({ kind: 'unix', path: socket }))
  await walkAll(client)
  expect(readdirSync(`/proc/${server.pid}/fd`).length).toBeLessThan(DESCRIPTORS)

  // In another order than they were walked to, so that few of them have a descriptor.
  const sample = everyFile().filter((_, i) => i % SAMPLE === 0)
  const shuffled = sample.toSorted((a, b) => ((a.d * 31 + a.f) % 101) - ((b.d * 31 + b.f) % 101))
  const paths = ({ d, f }: { d: number; f: number }): string =>
    join(shared, directoryName(d), fileName(f))
  await forEach(shuffled, async (file) => {
    const fid = fileFid(file.d, file.f)
    const { qid, size } = await client.call.getattr({ fid, mask: MASK })
    const stat = statSync(paths(file))
    expect([qid.path, size]).toEqual([BigInt(stat.ino), stat.size])
  })
  for (const { d, f } of shuffled.slice(0, 1000)) {
    const fid = fileFid(d, f)
    await client.call.lopen({ fid, flags: 0 })
    const { data } = await client.call.read({ fid, offset: 0, count: 100 })
    expect(Buffer.from(payloadBytes(data)).toString()).toBe(`${d} ${f}`)
    await client.call.clunk({ fid })
  }
  expect(readdirSync(`/proc/${server.pid}/fd`).length).toBeLessThan(DESCRIPTORS)

  // The host replaces files that no request has used since they were walked to.
  const replaced = everyFile().filter(({ d }, i) => d < 100 && i % SAMPLE === 1)
  for (const file of replaced) {
    writeFileSync(join(folder, 'new'), 'new')
    renameSync(join(folder, 'new'), paths(file))
  }
  await forEach(replaced, async ({ d, f }) => {
    const answer = client.call.getattr({ fid: fileFid(d, f), mask: MASK })
    await expect(answer).rejects.toMatchObject({ errno: errno.ESTALE })
  })
  server.kill()
  await once(server, 'exit')
})
