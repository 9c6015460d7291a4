// `npm run demo`: from a fresh clone to a guest that runs on this machine's own files, and the proof that
// they are as they were.

import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { spawnSync } from 'node:child_process'
import { ready } from './ready.mjs'

const guestScript = `
echo "A guest with Linux $(uname -r), on the files of this machine:"
head -n 1 /etc/os-release
echo "It changes them:"
echo 'Written in the guest.' > /etc/motd
rm -r /etc/*.d
cat /etc/motd
echo "folders left in /etc: $(ls -d /etc/*/ | wc -l)"
`

await ready()
lowerdir('setup')
const before = fingerprint('/etc')
const status = lowerdir('run', '--', 'sh', '-c', guestScript)
const unchanged = fingerprint('/etc') === before

console.log(
  `\nThe guest ended with ${status}. /etc on this machine is ${unchanged ? 'as it was' : 'NOT as it was'}.`,
)
console.log('Now try: ./bin/lowerdir run')
process.exitCode = status === 0 && unchanged ? 0 : 1

function lowerdir(...args) {
  console.log(`$ ./bin/lowerdir ${args.map((arg) => (arg.includes('\n') ? "'…'" : arg)).join(' ')}`)
  const ended = spawnSync(process.execPath, ['bin/lowerdir', ...args], { stdio: 'inherit' })
  if (ended.error) throw ended.error
  if (args[0] !== 'run' && ended.status !== 0) process.exit(ended.status ?? 1)
  return ended.status
}

/** A hash of the names and contents below a folder, without the content of what this user may not read. */
function fingerprint(folder) {
  const hash = createHash('sha256')
  const add = (directory) => {
    for (const entry of ifAllowed(() => readdirSync(directory, { withFileTypes: true })) ?? []) {
      const path = `${directory}/${entry.name}`
      hash.update(`${path}\0`)
      if (entry.isDirectory()) add(path)
      if (entry.isFile()) hash.update(ifAllowed(() => readFileSync(path)) ?? '')
    }
  }
  add(folder)
  return hash.digest('hex')
}

/** What `read` returns; undefined for what this user may not read, and for what is gone by now. */
function ifAllowed(read) {
  try {
    return read()
  } catch (error) {
    if (error.code !== 'EACCES' && error.code !== 'ENOENT') throw error
    return undefined
  }
}
