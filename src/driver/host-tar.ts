import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'

/** The host's GNU tar. Every distribution has it; in Debian it is essential. */
const TAR = 'tar'

/** An environment with messages in English, from which the reasons of errors are read. */
const ENGLISH = { ...process.env, LC_ALL: 'C', LANGUAGE: '' }

/** An archive that is being written. */
export interface Packing {
  readonly archive: Readable
  /** Resolves at the end of the archive. Rejects with tar's message when a file could not be read. */
  readonly done: Promise<void>
}

/** Packs the contents of a directory, and the directory's own mode. Root owns everything in the archive. */
export function pack(directory: string): Packing {
  const owner = ['--numeric-owner', '--owner=0', '--group=0']
  const args = ['-C', directory, '--create', '--file=-', '--format=gnu', ...owner, '.']
  const tar = spawn(TAR, args, { env: ENGLISH, stdio: ['ignore', 'pipe', 'pipe'] })
  const done = ended(tar, tar.stderr)
  // The caller awaits it later; until then it must not count as unhandled.
  done.catch(() => {})
  return { archive: tar.stdout, done }
}

/**
 * Unpacks an archive of a guest into an existing directory. The user of this process owns the files, and the umask applies
 * to their modes: a guest cannot set owners or a set-user-ID bit on the host. GNU tar refuses names that lead out of the
 * directory.
 *
 * @throws Error with tar's message.
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
  // SIGPIPE: the reader of the archive stopped, and reports the reason itself.
  if (code === 0 || signal === 'SIGPIPE') return
  throw new Error(`tar: ${complaint.trim() || `ended with ${code ?? signal}`}`)
}
