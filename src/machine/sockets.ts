import { type Socket, createServer } from 'node:net'
import type { Resources } from './resources.ts'
import type { RuntimeFolder } from './runtime-folder.ts'

/** Listens on a unix socket and passes each connection on. The socket and its connections are closed with `resources`. */
export async function listenUnix(
  path: string,
  resources: Resources,
  onConnection: (socket: Socket) => void,
): Promise<void> {
  const connections = new Set<Socket>()
  const server = createServer((socket) => {
    connections.add(socket)
    socket.once('close', () => connections.delete(socket))
    onConnection(socket)
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, resolve)
  })
  resources.defer(async () => {
    const closed = new Promise((resolve) => {
      server.close(resolve)
    })
    for (const socket of connections) socket.destroy()
    await closed
  })
}

/** A socket that takes one connection of QEMU's. */
export interface OneConnection {
  readonly socket: string
  readonly connected: Promise<Socket>
}

/** Listens for one connection, on a socket in the machine's folder. */
export async function listenOnce(
  folder: RuntimeFolder,
  name: string,
  resources: Resources,
): Promise<OneConnection> {
  const socket = folder.file(name)
  let connect!: (stream: Socket) => void
  const connected = new Promise<Socket>((resolve) => {
    connect = resolve
  })
  await listenUnix(socket, resources, connect)
  return { socket, connected }
}
