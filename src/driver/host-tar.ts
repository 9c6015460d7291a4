import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'

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

/**
 * Packs the contents of a directory, and the directory's own mode. Root owns everything in the archive.
 *
 * @param without byte strings of files that are left out: {@link canBeLeftOut} holds for each.
 */
export function pack(directory: string, without: readonly string[] = []): Packing {
  const owner = ['--numeric-owner', '--owner=0', '--group=0']
  const leaveOut = ['--anchored', '--no-wildcards', '--exclude-from=-']
  const args = ['-C', directory, '--create', '--file=-', '--format=gnu', ...owner, ...leaveOut, '.']
  const tar = spawn(TAR, args, { env: ENGLISH, stdio: ['pipe', 'pipe', 'pipe'] })
  const done = ended(tar, tar.stderr)
  // The caller awaits it later; until then it must not count as unhandled.
  done.catch(() => {})
  // A tar that could not start, or has ended, says so by itself.
  tar.stdin.on('error', () => {})
  tar.stdin.end(without.map((path) => `${path}\n`).join(''), 'latin1')
  return { archive: tar.stdout, done }
}

/** Whether a line of --exclude-from can name a file: tar ignores blanks at a line's end. @param path a byte string. */
export function canBeLeftOut(path: string): boolean {
  return /^\.\/[^\n\\]*[^\s\\]$/.test(path)
}

async function ended(child: NodeJS.EventEmitter, stderr: Readable): Promise<void> {
  const closed = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>
  const [[code, signal], complaint] = await Promise.all([closed, text(stderr)])
  // SIGPIPE: the reader of the archive stopped, and reports the reason itself.
  if (code === 0 || signal === 'SIGPIPE') return
  throw new Error(`tar: ${complaint.trim() || `ended with ${code ?? signal}`}`)
}
