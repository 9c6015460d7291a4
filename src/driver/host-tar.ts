import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'

/** The host's tar, which every distribution has (Debian: Essential). */
const TAR = 'tar'

/** A child's environment whose messages are in English. */
const ENGLISH = { ...process.env, LC_ALL: 'C', LANGUAGE: '' }

/** An archive under way. */
export interface Packing {
  readonly archive: Readable
  /** Ends with the archive. Rejects with tar's words when it could not read everything. */
  readonly done: Promise<void>
}

/** Packs what is in a directory, and the directory's own mode; all of it is root's. */
export function pack(directory: string): Packing {
  const owner = ['--numeric-owner', '--owner=0', '--group=0']
  const args = ['-C', directory, '--create', '--file=-', '--format=gnu', ...owner, '.']
  const tar = spawn(TAR, args, { env: ENGLISH, stdio: ['ignore', 'pipe', 'pipe'] })
  const done = ended(tar, tar.stderr)
  done.catch(() => {})
  return { archive: tar.stdout, done }
}

/**
 * Unpacks an archive into an existing directory. What is there belongs to whoever runs this, with the modes that
 * their umask leaves: no other owners and no set-user-ID come out of a guest. GNU tar keeps names within the
 * directory, whatever the archive says.
 *
 * @throws Error with tar's words.
 */
export async function unpack(archive: Readable, directory: string): Promise<void> {
  const args = ['-C', directory, '--extract', '--file=-', '--no-same-owner']
  const tar = spawn(TAR, [...args, '--no-same-permissions'], {
    env: ENGLISH,
    stdio: ['pipe', 'ignore', 'pipe'],
  })
  const done = ended(tar, tar.stderr)
  const [over, piped] = await Promise.allSettled([done, pipeline(archive, tar.stdin)])
  if (over.status === 'rejected') throw over.reason
  if (piped.status === 'rejected') throw piped.reason
}

async function ended(child: NodeJS.EventEmitter, stderr: Readable): Promise<void> {
  const closed = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>
  const [[code, signal], complaint] = await Promise.all([closed, text(stderr)])
  // Whoever does not read on knows why.
  if (code === 0 || signal === 'SIGPIPE') return
  throw new Error(`tar: ${complaint.trim() || `ended with ${code ?? signal}`}`)
}
