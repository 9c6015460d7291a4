// A program of the host's that has a lease on a file (F_SETLEASE of fcntl(2)), and does not give it up when it is asked to.
//
//   node lease-holder.mjs FILE
//
// It prints `leased`, `asked` when another program wants to open the file, and gives the lease up when its input ends.

import { openSync } from 'node:fs'
import koffi from 'koffi'

const F_SETLEASE = 1024
const F_WRLCK = 1
const F_UNLCK = 2
const fcntl = koffi.load(null).func('fcntl', 'int', ['int', 'int', 'int'])

// Without a handler, the kernel's signal would end it.
process.on('SIGIO', () => console.log('asked'))
const fd = openSync(process.argv[2], 'r+')
if (fcntl(fd, F_SETLEASE, F_WRLCK) !== 0) throw new Error('the lease was not granted')
console.log('leased')
process.stdin.resume().once('end', () => {
  fcntl(fd, F_SETLEASE, F_UNLCK)
  process.exit()
})
