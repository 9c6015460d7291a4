import { type Socket, createServer } from 'node:net'
import type { Resources } from './resources.ts'

/**
 * Listens on a unix socket in a private folder and hands each connection on; the socket and its
 * connections are closed with `resources`.
 */
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
