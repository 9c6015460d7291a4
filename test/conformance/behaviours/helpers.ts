import assert from 'node:assert/strict'
import type { File, Fs, How, KernelFs, Stat } from '../fs.ts'

/**
 * What files do on Linux, one behaviour each, by what it is. Each gets an empty directory of its own
 * and a umask of 0.
 */
export type Behaviours = Readonly<Record<string, (fs: Fs) => Promise<void>>>

/** Behaviours that take a kernel to see. */
export type KernelBehaviours = Readonly<Record<string, (fs: KernelFs) => Promise<void>>>

/** A time that nothing sets but lutimes: 1000 seconds after 1970 began. */
export const longAgo = 1_000_000_000_000n

export const read: How = { access: 'r' }

export function bytes(value: string): Buffer {
  return Buffer.from(value, 'latin1')
}

export function text(value: Buffer): string {
  return value.toString('latin1')
}

/** Makes a file with this content, or gives it to one that is there. */
export async function make(
  fs: Fs,
  path: string,
  value: string,
  how: Partial<How> = {},
): Promise<void> {
  const file = await fs.open(path, { access: 'w', create: true, truncate: true, ...how })
  if (value !== '') await file.write(0, bytes(value))
  await file.close()
}

export async function content(fs: Fs, path: string): Promise<string> {
  const file = await fs.open(path, read)
  try {
    return text(await whole(file))
  } finally {
    await file.close()
  }
}

async function whole(file: File): Promise<Buffer> {
  const parts: Buffer[] = []
  for (let offset = 0; ; offset += parts.at(-1)!.length) {
    const part = await file.read(offset, 65_536)
    if (part.length === 0) return Buffer.concat(parts)
    parts.push(part)
  }
}

export function sorted<E extends { readonly name: string }>(entries: readonly E[]): E[] {
  return entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

/** The operation must fail, and with this errno. */
export async function fails(
  code: string,
  operation: Promise<unknown> | (() => unknown),
): Promise<void> {
  assert.equal(await outcome(operation), code)
}

/** What an operation fails with, or `no error`. */
export async function outcome(operation: Promise<unknown> | (() => unknown)): Promise<unknown> {
  try {
    await (typeof operation === 'function' ? operation() : operation)
    return 'no error'
  } catch (error) {
    return error instanceof Error && 'code' in error ? error.code : error
  }
}

/** Waits until the clock that files get their times from has gone on since `before`. */
export async function later(fs: Fs, before: bigint): Promise<void> {
  const file = await fs.open('clock', { access: 'w', create: true })
  do await file.chmod(0o600)
  while ((await file.stat()).ctime <= before)
  await file.close()
  await fs.unlink('clock')
}

/** Those of a file's times that are different by now. */
export function moved(before: Stat, after: Stat): string {
  const times = ['atime', 'mtime', 'ctime'] as const
  return times.filter((time) => after[time] !== before[time]).join(' ')
}
