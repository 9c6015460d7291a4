import { spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import zlib from 'node:zlib'

/** Programs that decompress a module where Node cannot. */
export interface Decompressor {
  /** A busybox, for xz. */
  readonly busybox?: string | undefined
}

/**
 * Reads a kernel module as the bytes that the kernel loads, whether it is stored plain (.ko) or
 * compressed (.ko.gz, .ko.xz, .ko.zst).
 *
 * @throws Error if the file cannot be read, is damaged, or nothing here can decompress it.
 */
export async function readModule(
  file: string,
  { busybox }: Decompressor = {},
): Promise<Uint8Array> {
  const stored = await readFile(file)
  const bytes = await decompress(file, stored, busybox)
  if (bytes.length < 4 || bytes.readUInt32BE(0) !== ELF_MAGIC) {
    throw new Error(`${file} is not a kernel module.`)
  }
  return bytes
}

const ELF_MAGIC = 0x7f454c46

async function decompress(file: string, stored: Buffer, busybox?: string): Promise<Buffer> {
  switch (/\.ko\.(\w+)$/.exec(file)?.[1]) {
    case undefined:
      return stored
    case 'gz':
      return zlib.gunzipSync(stored)
    case 'xz': {
      const ways = [['xz', '--decompress', '--stdout']]
      if (busybox !== undefined) ways.unshift([busybox, 'unxz', '-c'])
      return filter(file, stored, ways, 'xz (the package xz-utils)')
    }
    case 'zst': {
      const native = (zlib as { zstdDecompressSync?: (data: Buffer) => Buffer }).zstdDecompressSync
      if (native !== undefined) return native(stored)
      return filter(file, stored, [['zstd', '--decompress', '--stdout']], 'zstd, or Node 22.15,')
    }
    default:
      throw new Error(`${file} is compressed in a way that lowerdir does not know.`)
  }
}

/** Sends bytes through the first of some commands that exists. */
async function filter(
  file: string,
  input: Buffer,
  ways: readonly (readonly string[])[],
  need: string,
): Promise<Buffer> {
  for (const [command = '', ...args] of ways) {
    try {
      return await pipeThrough(command, args, input)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') continue
      throw new Error(`${file} cannot be decompressed: ${(error as Error).message}`, {
        cause: error,
      })
    }
  }
  throw new Error(`${file} is compressed, and reading it takes ${need} which is not here.`)
}

function pipeThrough(command: string, args: readonly string[], input: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] })
    const output: Buffer[] = []
    let complaint = ''
    child.stdout.on('data', (chunk: Buffer) => output.push(chunk))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (complaint += text))
    // A decompressor that gives up stops reading; its exit status says the rest.
    child.stdin.on('error', () => {})
    child.once('error', reject)
    child.once('close', (status) => {
      if (status === 0) resolve(Buffer.concat(output))
      else reject(new Error(complaint.trim() || `${command} exited with ${status}`))
    })
    child.stdin.end(input)
  })
}
