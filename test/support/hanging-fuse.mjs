// A file system of a user's program (fuse(4)) that hangs on demand: a stand-in for a network's that is gone.
//
//   node hanging-fuse.mjs MOUNTPOINT [root]
//
// It has one directory with the files `file`, which can be opened and read, and `hangs`: whoever opens that one waits,
// uninterruptibly and even when killed, until this program ends. With `root` so does whoever asks for the attributes of the
// directory itself, as anybody has to who serves it. It prints `mounted`, and `hanging` when it happens.
// The layouts are those of include/uapi/linux/fuse.h, version 7.31.

import { spawnSync } from 'node:child_process'
import { openSync, readSync, writeSync } from 'node:fs'

const FUSE_FD = 3
const [mountpoint = '', hangsAtRoot] = process.argv.slice(2)
const device = openSync('/dev/fuse', 'r+')
const options = `fd=${FUSE_FD},rootmode=40000,user_id=0,group_id=0`
const { status } = spawnSync('mount', ['-i', '-t', 'fuse', '-o', options, 'hanging', mountpoint], {
  stdio: ['ignore', 'inherit', 'inherit', device],
})
if (status !== 0) process.exit(1)
console.log('mounted')

const files = { 1: 0o40755, 2: 0o100644, 3: 0o100644 }
const names = { file: 2, hangs: 3 }
const content = Buffer.from('hello')
const ENOENT = 2
const ENOSYS = 38

/** struct fuse_attr. */
function attributes(node) {
  const attr = Buffer.alloc(88)
  attr.writeBigUInt64LE(BigInt(node), 0)
  attr.writeBigUInt64LE(BigInt(content.length), 8)
  attr.writeUInt32LE(files[node], 60)
  attr.writeUInt32LE(1, 64)
  attr.writeUInt32LE(4096, 80)
  return attr
}

function init() {
  const out = Buffer.alloc(64)
  out.writeUInt32LE(7, 0)
  out.writeUInt32LE(31, 4)
  out.writeUInt32LE(65536, 20)
  return out
}

/** struct fuse_entry_out. */
function entry(name) {
  const node = names[name]
  if (node === undefined) return ENOENT
  const out = Buffer.alloc(40)
  out.writeBigUInt64LE(BigInt(node), 0)
  return Buffer.concat([out, attributes(node)])
}

/** The answer to a request: bytes, an errno, or nothing. */
function answer(opcode, node, body) {
  switch (opcode) {
    case 1:
      return entry(body.toString('utf8', 0, body.indexOf(0)))
    case 3:
      if (node === 1 && hangsAtRoot === 'root') {
        console.log('hanging')
        return undefined
      }
      return Buffer.concat([Buffer.alloc(16), attributes(node)])
    case 14:
      if (node !== names.hangs) return Buffer.alloc(16)
      console.log('hanging')
      return undefined
    case 15:
      return content.subarray(Number(body.readBigUInt64LE(8)))
    case 17:
      return Buffer.alloc(80)
    case 18:
    case 25:
    case 29:
      return Buffer.alloc(0)
    case 26:
      return init()
    case 27:
      return Buffer.alloc(16)
    case 28:
      return Buffer.alloc(0)
    case 2:
    case 36:
    case 42:
      return undefined
    default:
      return ENOSYS
  }
}

const request = Buffer.alloc(1 << 20)
for (;;) {
  const length = readSync(device, request)
  const opcode = request.readUInt32LE(4)
  const reply = answer(opcode, Number(request.readBigUInt64LE(16)), request.subarray(40, length))
  if (reply === undefined) continue
  const head = Buffer.alloc(16)
  const body = typeof reply === 'number' ? Buffer.alloc(0) : reply
  head.writeUInt32LE(16 + body.length, 0)
  head.writeInt32LE(typeof reply === 'number' ? -reply : 0, 4)
  request.copy(head, 8, 8, 16)
  writeSync(device, Buffer.concat([head, body]))
}
