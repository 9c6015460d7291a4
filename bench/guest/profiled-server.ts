import { Worker } from 'node:worker_threads'
import { createEventfd, signalEventfd } from '../../src/libc/eventfd.ts'
import { defaultLimits } from '../../src/server/limits.ts'
import { listenAll } from '../../src/transport/engine/listening-socket.ts'
import type { EngineStart, Listen } from '../../src/transport/engine/share.ts'

/**
 * A process that serves a folder as a device, like `serve`, until SIGTERM, and then leaves a profile of its engine's
 * thread: DIRECTORY PATH TAG PROFILE. Node cannot be told to profile a thread that it has not started by itself.
 */

const [directory = '', path = '', tag = '', output = ''] = process.argv.slice(2)
const listen: Listen = { kind: 'vhost-user', path, tag }
const sockets = listenAll([listen])
const stopFd = createEventfd()
const start: EngineStart = {
  served: {
    exports: [{ name: null, directory, readOnly: false, owner: 'host', atime: 'preserve' }],
    limits: defaultLimits,
    // It writes the profile.
    sandbox: 'off',
  },
  sockets: sockets.map(({ fd }) => ({ fd, listen })),
  stopFd,
}
const worker = new Worker(new URL('./profiled-engine.js', import.meta.url), {
  workerData: start,
  argv: [output],
})
worker.once('exit', () => {
  for (const socket of sockets) socket.close()
})
process.once('SIGTERM', () => signalEventfd(stopFd))
