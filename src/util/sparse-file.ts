import { type FileHandle, open } from 'node:fs/promises'

/** Bytes in a block that becomes a hole if all of them are zero: the smallest that file systems keep. */
const BLOCK = 4096

const zeros = Buffer.alloc(BLOCK)

/** Writes a new file in which blocks of zeros are holes. @throws what open(2), with O_EXCL, and pwrite(2) fail with. */
export async function writeSparse(file: string, content: Buffer): Promise<void> {
  await using handle = await open(file, 'wx', 0o644)
  await handle.truncate(content.length)
  let start = 0
  for (let at = 0; at < content.length; at += BLOCK) {
    const block = content.subarray(at, at + BLOCK)
    if (!block.equals(zeros.subarray(0, block.length))) continue
    await writeAll(handle, content.subarray(start, at), start)
    start = at + BLOCK
  }
  await writeAll(handle, content.subarray(start), start)
}

async function writeAll(handle: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    done += (await handle.write(bytes, done, bytes.length - done, position + done)).bytesWritten
  }
}
