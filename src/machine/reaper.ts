import { spawn } from 'node:child_process'

/**
 * Cleans up behind a process that was killed. The shell waits for the end of a pipe, which closes when the process that
 * holds its other end dies.
 *
 * The arguments are the folder that has the folders of machines, the identity of the process whose folders it removes, how
 * the names of these begin, and the names of the two files in them.
 */
const SCRIPT = `cat >/dev/null
if [ -L "$1" ] || [ ! -O "$1" ]; then exit; fi
for folder in "$1/$3"*; do
  # Only folders and files that are this user's own, and no links.
  [ ! -L "$folder" ] && [ -O "$folder" ] && [ -d "$folder" ] || continue
  [ ! -L "$folder/$4" ] && [ -O "$folder/$4" ] && [ -f "$folder/$4" ] || continue
  owner=
  read -r owner <"$folder/$4"
  [ "$owner" = "$2" ] || continue
  pid= started=
  if [ ! -L "$folder/$5" ] && [ -O "$folder/$5" ] && [ -f "$folder/$5" ]; then
    IFS=. read -r boot namespace pid started <"$folder/$5"
  fi
  # Process ids are used again: field 22 of proc(5)'s stat says when this one was started.
  if [ -n "$started" ] && read -r stat 2>/dev/null <"/proc/$pid/stat"; then
    now=$(set -f; set -- \${stat##*) }; echo "\${20}")
    [ "$now" = "$started" ] && kill -KILL "$pid"
  fi
  rm -rf "$folder"
done
`

/**
 * The files of a runtime folder that name the process that owns it, and the child that must not outlive that one. Earlier
 * versions have others, `owner` and `child`, and would remove a folder whose `owner` they cannot read.
 */
export const OWNER = 'owner-process'
export const CHILD = 'child-process'

/** The names of runtime folders begin with it. */
export const RUNTIME_PREFIX = 'vm-'

const started = new Set<string>()

/**
 * Starts the reaper of this process, once for each `parent`. Soon after the end of this process, the reaper kills what it
 * has left running, and removes its folders from `parent`.
 *
 * @param identity the content of the file {@link OWNER} in each of its folders (runtime-folder.ts).
 */
export function startReaper(parent: string, identity: string): void {
  if (started.has(parent)) return
  started.add(parent)
  // In a session of its own: a signal to our process group must not reach it.
  const child = spawn(
    '/bin/sh',
    ['-c', SCRIPT, 'lowerdir-reaper', parent, identity, RUNTIME_PREFIX, OWNER, CHILD],
    {
      detached: true,
      cwd: '/',
      stdio: ['pipe', 'ignore', 'ignore'],
    },
  )
  // Where it cannot start, the next process that starts a machine cleans up.
  child.once('error', () => {})
  child.stdin.on('error', () => {})
  child.unref()
  ;(child.stdin as unknown as { unref(): void }).unref()
}
