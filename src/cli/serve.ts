import { resolve } from 'node:path'
import { Duplex } from 'node:stream'
import { ErrnoError } from '../errno.ts'
import { MSIZE_MAX, MSIZE_MIN } from '../protocol/limits.ts'
import { defaultLimits } from '../server/session.ts'
import { startEngine } from '../transport/engine/engine.ts'
import type { Share } from '../transport/engine/share.ts'
import { serveDuplex } from '../transport/stream/duplex.ts'
import { HostTree } from '../tree/host/tree.ts'
import { command } from './command.ts'
import { UserError, explain } from './failure.ts'
import { Interrupted, abortOnSignals, whenAborted } from './interrupt.ts'
import { mountLines, parseListen } from './listen.ts'
import { parseChoice, parseCount, parseOwner } from './values.ts'

export const serve = command({
  summary: 'share a directory over 9P2000.L',
  usage: 'serve DIR --listen unix:PATH|tcp:[HOST:]PORT|stdio [OPTION…]',
  options: {
    listen: {
      type: 'string',
      multiple: true,
      value: 'ADDRESS',
      help: 'unix:PATH (open to this user only), tcp:[HOST:]PORT (default HOST 127.0.0.1), or stdio',
    },
    'read-only': { type: 'boolean', help: 'let nobody change anything' },
    owner: { type: 'string', value: 'UID:GID', help: "show all files as this user's and group's" },
    atime: {
      type: 'string',
      value: 'preserve|guest',
      help: "whether reading leaves the host's access times alone (default preserve)",
    },
    msize: {
      type: 'string',
      value: 'BYTES',
      help: `largest message, ${MSIZE_MIN} to ${MSIZE_MAX} (default ${MSIZE_MAX})`,
    },
    'allow-other-machines': {
      type: 'boolean',
      help: 'allow a HOST that is not this machine itself',
    },
    verbose: { type: 'boolean', help: 'log who comes and goes' },
  },
  notes: 'It serves until it is ended by Ctrl-C or SIGTERM.',

  async run(values, [directory, ...others]) {
    if (directory === undefined || others.length > 0) {
      throw new UserError('serve takes one directory. `lowerdir serve --help` shows how.')
    }
    if (values.listen === undefined) {
      throw new UserError(
        'serve needs --listen unix:PATH or --listen tcp:PORT, where guests are to find it.',
      )
    }
    const readOnly = values['read-only'] ?? false
    const msize =
      values.msize === undefined
        ? MSIZE_MAX
        : parseCount('msize', values.msize, MSIZE_MIN, MSIZE_MAX)
    const served = {
      directory: resolve(directory),
      readOnly,
      owner: parseOwner(values.owner),
      atime: parseChoice('atime', values.atime ?? 'preserve', ['preserve', 'guest']),
      limits: { ...defaultLimits, msize },
    }
    const log = (line: string): void => {
      if (values.verbose === true) console.error(`lowerdir: ${line}`)
    }
    const addresses = values.listen
    try {
      if (addresses.includes('stdio')) {
        if (addresses.length > 1) throw new UserError('--listen stdio goes with no other address.')
        await serveStdio(served, log)
      } else {
        const remote = values['allow-other-machines'] ?? false
        const listen = addresses.map((text) => parseListen(text, remote))
        await serveSockets({ ...served, listen }, log)
      }
    } catch (error) {
      if (error instanceof ErrnoError) {
        throw explain(`${directory} cannot be served at ${addresses.join(', ')}`, error)
      }
      throw error
    }
    return 0
  },
})

/** Serves until somebody ends this process. */
async function serveSockets(share: Share, log: (line: string) => void): Promise<void> {
  const signal = abortOnSignals()
  await using engine = await startEngine(share, log)
  const { directory, readOnly, limits } = share
  console.error(`lowerdir: serving ${directory}${readOnly ? ' read-only' : ''}.`)
  for (const listen of engine.listen) {
    for (const line of mountLines(listen, limits.msize, readOnly)) console.log(line)
  }
  try {
    await Promise.race([engine.ended, whenAborted(signal)])
  } catch (error) {
    if (!(error instanceof Interrupted)) throw error
  }
}

/** Serves one client at the other end of this process's standard streams, until it is gone. */
async function serveStdio(
  share: Omit<Share, 'listen'>,
  log: (line: string) => void,
): Promise<void> {
  const tree = new HostTree(share.directory, share)
  const stream = Duplex.from({ readable: process.stdin, writable: process.stdout })
  await serveDuplex(tree, stream, log, share.limits)
  tree.close()
}
