import { Worker } from 'node:worker_threads'
import { createEventfd, signalEventfd } from '../src/sys/eventfd.ts'
import { defaultLimits } from '../src/9p/session-limits.ts'
import { listenAll } from '../src/server/listening-socket.ts'
import type { EngineStart, Listen } from '../src/server/share.ts'

/**
 * A process that serves a folder until SIGTERM, and then writes a profile of its engine's thread. Its arguments are the
 * folder, the address as JSON, and the file for the profile. Node's own option --cpu-prof does not profile a thread that
 * is started with options of its own.
 */

const [directory = '', place = '', output = ''] = process.argv.slice(2)
const listen = JSON.parse(place) as Listen
const sockets = listenAll([listen])
const stopFd = createEventfd()
const commandFd = createEventfd()
const start: EngineStart = {
  served: {
    exports: [{ name: null, directory, readOnly: false, owner: 'host', atime: 'preserve' }],
    limits: defaultLimits,
    // The sandbox would keep the thread from writing the profile.
    sandbox: 'off',
  },
  sockets: sockets.map(({ fd }) => ({ fd, listen, resume: [] })),
  stopFd,
  commandFd,
}
const worker = new Worker(new URL('./profiled-engine.js', import.meta.url), {
  workerData: start,
  argv: [output],
})
worker.once('exit', () => {
  for (const socket of sockets) socket.close()
})
process.once('SIGTERM', () => signalEventfd(stopFd))
