import { spawn } from 'node:child_process'
import zlib from 'node:zlib'
import { isSystemError, messageOf } from '../util/error.ts'

/** How a kernel or a module is compressed, as the ends of modules' names say it. */
export type Compression = 'gz' | 'xz' | 'zst'

/** Programs that decompress where Node cannot. */
export interface Decompressor {
  /** A busybox, for xz. It has no filter for machine code, which xz-compressed kernels take. */
  readonly busybox?: string | undefined
}

/** Nothing on this host can decompress a file. The message names what can. */
export class NoDecompressorError extends Error {
  override readonly name = 'NoDecompressorError'
}

/**
 * Decompresses bytes.
 *
 * @param file where they are from, for messages.
 * @throws NoDecompressorError where neither Node nor a program here can; Error for damaged bytes.
 */
export async function decompress(
  file: string,
  stored: Buffer,
  compression: Compression,
  { busybox }: Decompressor = {},
): Promise<Buffer> {
  switch (compression) {
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
      if (isSystemError(error, 'ENOENT')) continue
      throw new Error(`${file} cannot be decompressed: ${messageOf(error)}`, {
        cause: error,
      })
    }
  }
  throw new NoDecompressorError(
    `${file} is compressed, and reading it takes ${need} which is not here.`,
  )
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
