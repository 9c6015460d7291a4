// A server that is wrong on purpose: it passes O_NOATIME on to the host for files of any owner.
//
//   node leaky-server.mjs DIRECTORY SOCKET
//
// For the test that shows what happens to a guest then.

import { createServer } from 'node:net'
import { join } from 'node:path'
import { AT_FDCWD, O_NOATIME, O_RDONLY } from '../../dist/sys/constants.js'
import { close, openat } from '../../dist/sys/files.js'
import { openFlags } from '../../dist/tree/flags.js'
import { serveDuplex } from '../../dist/transport/stream/duplex.js'
import { HostTree } from '../../dist/tree/host/host-tree.js'

const [directory = '', socket = ''] = process.argv.slice(2)
const tree = new HostTree(directory, { readOnly: true, owner: 'host', atime: 'guest' })

/** A node that asks the host for O_NOATIME whenever the guest does, before it opens as usual. */
function leaky(node, path) {
  return new Proxy(node, {
    get(target, key) {
      if (key === 'lookup') {
        return (name, attributes) => leaky(target.lookup(name, attributes), join(path, name))
      }
      if (key === 'open') {
        return (flags) => {
          if ((flags & openFlags.NOATIME) !== 0) {
            console.log('O_NOATIME')
            close(openat(AT_FDCWD, path, O_RDONLY | O_NOATIME))
          }
          return target.open(flags)
        }
      }
      const value = Reflect.get(target, key, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

const leakyTree = {
  readOnly: true,
  attach: (aname) => ({ tree: leakyTree, node: leaky(tree.attach(aname).node, directory) }),
  close: () => tree.close(),
}

createServer((stream) => {
  void serveDuplex(leakyTree, stream)
}).listen(socket, () => console.log('listening'))
