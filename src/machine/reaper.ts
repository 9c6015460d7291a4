import { spawn } from 'node:child_process'

/**
 * Cleans up behind a process that was killed. The shell waits for the end of a pipe, which closes when the process that
 * holds its other end dies.
 *
 * The arguments are the folder that has the folders of machines, and the identity of the process whose folders it removes.
 */
const SCRIPT = `cat >/dev/null
for folder in "$1"/*/; do
  owner=
  read -r owner 2>/dev/null <"$folder/owner"
  [ "$owner" = "$2" ] || continue
  pid= started=
  read -r pid started 2>/dev/null <"$folder/child"
  # Process ids are used again: field 22 of proc(5)'s stat says when this one was started.
  if [ -n "$pid" ] && read -r stat 2>/dev/null <"/proc/$pid/stat"; then
    set -f
    set -- "$1" "$2" \${stat##*) }
    set +f
    [ "\${22}" = "$started" ] && kill -KILL "$pid"
  fi
  rm -rf "$folder"
done
`

const started = new Set<string>()

/**
 * Starts the reaper of this process, once for each `parent`. Soon after the end of this process, the reaper kills what it
 * has left running, and removes its folders from `parent`.
 *
 * @param identity the content of the file `owner` in each of its folders (runtime-folder.ts).
 */
export function startReaper(parent: string, identity: string): void {
  if (started.has(parent)) return
  started.add(parent)
  // In a session of its own: a signal to our process group must not reach it.
  const child = spawn('/bin/sh', ['-c', SCRIPT, 'lowerdir-reaper', parent, identity], {
    detached: true,
    cwd: '/',
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  // Where it cannot start, the next process that starts a machine cleans up.
  child.once('error', () => {})
  child.stdin.on('error', () => {})
  child.unref()
  ;(child.stdin as unknown as { unref(): void }).unref()
}
