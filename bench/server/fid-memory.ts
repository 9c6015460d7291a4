import { linkSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Connection, ROOT } from './connection.ts'
import type { Server } from './servers.ts'

const DIRECTORIES = 3000
const FILES_EACH = 100
const NAME = 'many-names'

/** How many fids {@link walkAll} makes. */
export const FIDS = DIRECTORIES * (FILES_EACH + 1)

/** Adds 300,000 names to a folder, as hard links to few files, since only the names matter. */
export function addNames(folder: string): void {
  const many = join(folder, NAME)
  for (let d = 0; d < DIRECTORIES; d++) {
    const directory = join(many, `directory-${d}`)
    mkdirSync(directory, { recursive: true })
    const first = join(directory, 'some-file-0.ts')
    writeFileSync(first, '')
    for (let f = 1; f < FILES_EACH; f++) linkSync(first, join(directory, `some-file-${f}.ts`))
  }
}

/** The memory of a server for each fid, in bytes, measured with a client that holds a fid for every name. */
export function memoryPerFid(server: Server, folder: string): number {
  const connection = Connection.open(server.socket, 64 * 1024, folder)
  try {
    const before = residentBytes(server.pid)
    walkAll(connection)
    return (residentBytes(server.pid) - before) / FIDS
  } finally {
    connection.close()
  }
}

/** Walks to all names, as a guest with cache=loose does in `find`. */
function walkAll(connection: Connection): void {
  let newfid = ROOT + 1
  for (let d = 0; d < DIRECTORIES; d++) {
    const fid = newfid++
    connection.get('walk', { fid: ROOT, newfid: fid, names: [NAME, `directory-${d}`] })
    for (let f = 0; f < FILES_EACH; f++) {
      connection.get('walk', { fid, newfid: newfid++, names: [`some-file-${f}.ts`] })
    }
  }
}

function residentBytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1')
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) * 1024
}
