import { spawn } from 'node:child_process'

/**
 * What clears up behind a process that had no time to do it itself: a shell that waits for the end of a pipe,
 * which comes with the end of the process that holds it, however that was.
 *
 * The arguments are the folder that the folders of machines are in, and whose of these are to go.
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
 * Sees to it that what this process leaves in \`parent\` is gone soon after its end, and that what it has left running
 * is ended. Once is enough.
 *
 * @param identity what is written in the file \`owner\` of each of its folders (runtime-folder.ts).
 */
export function startReaper(parent: string, identity: string): void {
  if (started.has(parent)) return
  started.add(parent)
  // In a session of its own: what ends our process group is to leave it.
  const child = spawn('/bin/sh', ['-c', SCRIPT, 'lowerdir-reaper', parent, identity], {
    detached: true,
    cwd: '/',
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  // Without one, the next process to start a machine clears up.
  child.once('error', () => {})
  child.stdin.on('error', () => {})
  child.unref()
  ;(child.stdin as unknown as { unref(): void }).unref()
}
