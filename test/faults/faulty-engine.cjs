// The process of an engine whose libc fails as its first argument says, a JSON of plans: the calls of a name from the one
// with number `skip` on, `times` of them. What the process says to its starter never fails. At its end it says, as a line
// of the log, which descriptors it has left open.

const { fstatSync, writeSync } = require('node:fs')
const { libc } = require('./faulty-libc.mjs')
const { frameOf } = require('../../dist/server/message-frames.js')

const CHANNEL_FD = 3
const DESCRIPTORS = 1024
const plan = JSON.parse(process.argv[2])
const seen = new Map()

libc.inject = (name, _index, args) => {
  if (args[0] === CHANNEL_FD && (name === 'send' || name === 'recv')) return undefined
  const number = seen.get(name) ?? 0
  seen.set(name, number + 1)
  return plan.find(
    ({ call, skip = 0, times }) =>
      call === name && number >= skip && (times === null || number < skip + (times ?? 1)),
  )?.fault
}

/** Without /proc, which the sandbox takes away. */
function openDescriptors() {
  const open = []
  for (let fd = 0; fd < DESCRIPTORS; fd++) {
    try {
      fstatSync(fd)
      open.push(fd)
    } catch {
      // It is not open.
    }
  }
  return open
}

const before = new Set(openDescriptors())
require('../../dist/server/main.cjs')
const left = openDescriptors().filter((fd) => !before.has(fd))
writeSync(CHANNEL_FD, frameOf({ kind: 'log', line: `left open: ${left.join()}` }))
