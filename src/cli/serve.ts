import { resolve } from 'node:path'
import { Duplex } from 'node:stream'
import { ErrnoError } from '../sys/errno.ts'
import { messageOf } from '../util/error.ts'
import { whenAborted } from '../util/promises.ts'
import type { Engine } from '../server/engine.ts'
import { openServer } from '../server/start.ts'
import { ListenError } from '../server/listening-socket.ts'
import { sandboxModes } from '../server/sandbox.ts'
import type { Served, Share } from '../server/share.ts'
import { serveDuplex } from '../transport/stream/duplex.ts'
import { ExportError, type HostExport, HostExports } from '../tree/host/host-exports.ts'
import { command } from './command.ts'
import { type ExportPolicy, parseExports } from './export.ts'
import { UserError, explain } from './user-error.ts'
import { Interrupted, abortOnSignals } from './interrupt.ts'
import { limitHelp, parseLimits } from './limits.ts'
import { explainListen } from './explain-listen.ts'
import { type Address, LISTEN_FORMS, LISTEN_WORDS, mountLines, parseListen } from './listen.ts'
import { parsePolicy, policyOptions } from './policy.ts'
import { parseChoice } from './values.ts'
import { parseView, viewNotes, viewOptions } from './view.ts'
import { DEFAULT_TAG, VIRTIOFS_FORM, virtiofsListen } from './virtiofs-address.ts'
import { print, printError } from './print.ts'

export const serve = command({
  summary: 'share directories over virtio-fs and 9P2000.L',
  usage: 'serve DIR|--export NAME=DIR… --listen ADDRESS [OPTION…]',
  options: {
    listen: {
      type: 'string',
      multiple: true,
      value: 'ADDRESS',
      help: 'unix:PATH, virtiofs:PATH, vhost-user:PATH, tcp:[HOST:]PORT or stdio; more below',
    },
    export: {
      type: 'string',
      multiple: true,
      value: 'NAME=DIR',
      help: 'one of several directories, chosen by the mount option aname=NAME; more below',
    },
    'one-process': {
      type: 'boolean',
      help: 'serve all exports in one process: one that hangs then stops all',
    },
    'read-only': { type: 'boolean', help: 'refuse all changes' },
    ...policyOptions,
    acls: {
      type: 'boolean',
      help: "let clients that mount with posixacl have the files' ACLs; without it they are EOPNOTSUPP",
    },
    locks: {
      type: 'string',
      value: 'guests|host',
      help: "whom locks keep out: guests (default with --read-only), or the host's programs too",
    },
    limit: {
      type: 'string',
      multiple: true,
      value: 'NAME=NUMBER',
      help: 'a limit of what clients may ask for; the names are below',
    },
    sandbox: {
      type: 'string',
      value: 'off|auto|require',
      help: 'confine the server to what it serves, as far as this kernel can (default auto)',
    },
    ...viewOptions,
    'allow-other-machines': {
      type: 'boolean',
      help: 'allow addresses that other machines can reach',
    },
    verbose: {
      type: 'boolean',
      help: 'log which clients connect and leave, and what the sandbox consists of',
    },
  },
  notes: `${viewNotes}

It serves until Ctrl-C or SIGTERM ends it.

Only this user can connect to a unix socket.
${LISTEN_WORDS}.
virtiofs:PATH is the fastest way to a guest: QEMU, libvirt, cloud-hypervisor or crosvm gives the guest a file system
device, and the guest mounts it by its tag. The whole form is
    ${VIRTIOFS_FORM}
with tag ${DEFAULT_TAG} and cache mmap by default.
  cache      none (or never): the guest's kernel keeps nothing. mmap (or auto): names and attributes for a second, and
             content until the file changes. loose (or always): everything, for trees that nothing else changes
  writeback  the guest's kernel may write later what its programs have written
  export     which of several --export
  config     VMMs may ask for the tag. crosvm needs that; QEMU 7.1 to 8.0 crash of it
  unsealed   accept memory that the VMM could truncate, such as cloud-hypervisor's
vhost-user:PATH gives the guest a 9P device. QEMU 11.1 can do that; 10.0 and 7.2 cannot.
Write a comma that is part of PATH twice.

An export's DIR may be followed by ,ro ,rw ,owner=… ,map=… ,atime=preserve ,atime=guest
,locks=guests ,locks=host. The options of the same names are the defaults of all exports.
Write a comma that is part of DIR twice.
Each export has a process of its own: where one hangs or ends, the others go on. A connection is then with one export,
and to attach to another one over it is EXDEV. With --one-process, or a vhost-user address, all are in one process.

${limitHelp()}`,

  async run(values, directories) {
    const policy: ExportPolicy = {
      readOnly: values['read-only'] ?? false,
      ...parsePolicy(values),
      acls: values.acls ?? false,
      lockScope:
        values.locks === undefined
          ? undefined
          : parseChoice('locks', values.locks, ['guests', 'host']),
      ...parseView(values),
    }
    const exports = whatToServe(directories, values.export ?? [], policy)
    if (values.listen === undefined) {
      throw new UserError(
        `serve needs an address for its clients: add --listen with ${LISTEN_FORMS}.`,
      )
    }
    const served: Served = {
      exports,
      limits: parseLimits(values.limit ?? []),
      sandbox: parseChoice('sandbox', values.sandbox ?? 'auto', sandboxModes),
    }
    const log = (line: string): void => {
      if (values.verbose === true) printError(`lowerdir: ${line}`)
    }
    const addresses = values.listen
    try {
      if (addresses.includes('stdio')) {
        if (addresses.length > 1)
          throw new UserError(
            '--listen stdio cannot be combined with another address: leave the others out.',
          )
        await serveStdio(served, log)
      } else {
        const remote = values['allow-other-machines'] ?? false
        const listen = addresses.map((text) => parseListen(text, remote))
        const oneProcess = values['one-process'] ?? false
        await serveSockets(served, listen, oneProcess, log)
      }
    } catch (error) {
      if (!(error instanceof ErrnoError)) throw error
      const what = `${exports.map(({ directory }) => directory).join(', ')} cannot be served`
      if (error instanceof ListenError) throw explainListen(what, error)
      if (error instanceof ExportError && error.exported.name !== null) {
        const { name, directory } = error.exported
        throw explain(`The export ${name}, ${directory} cannot be served`, error)
      }
      throw explain(`${what} at ${addresses.join(', ')}`, error)
    }
    return 0
  },
})

/** The exports: the one directory without a name, or those of --export. */
function whatToServe(
  [directory, ...others]: readonly string[],
  named: readonly string[],
  policy: ExportPolicy,
): readonly HostExport[] {
  if (named.length > 0) {
    if (directory !== undefined) {
      throw new UserError(
        `serve takes a directory or --export, not both: add --export NAME=${directory} instead.`,
      )
    }
    return parseExports(named, policy)
  }
  if (directory === undefined || others.length > 0) {
    throw new UserError(
      'serve takes one directory, or several with --export. `lowerdir serve --help` shows how.',
    )
  }
  return [{ name: null, directory: resolve(directory), ...policy }]
}

/** Serves until a signal asks this process to end. */
async function serveSockets(
  served: Served,
  addresses: readonly Address[],
  oneProcess: boolean,
  log: (line: string) => void,
): Promise<void> {
  const listen = addresses.map((address) =>
    address.kind === 'virtiofs' ? virtiofsListen(address, served.exports) : address,
  )
  const share: Share = { ...served, listen, separate: !oneProcess }
  const interrupted = whenAborted(abortOnSignals())
  await using engine = openServer(share, log)
  try {
    // The process opens the directories, so that a file system that hangs stops that process alone.
    await Promise.race([engine.serving, interrupted])
    announce(engine, share, addresses)
    if (engine.processes.length > 1) reportEnds(engine)
    await Promise.race([engine.ended, interrupted])
  } catch (error) {
    if (!(error instanceof Interrupted)) throw error
  }
}

/** Says so when the process of an export has ended. The others go on. */
function reportEnds({ processes }: Engine): void {
  for (const { exports, ended } of processes) {
    const names = exports.map(({ name }) => name).join(', ')
    ended.catch((error: unknown) =>
      printError(
        `lowerdir: ${messageOf(error)}. Its clients are disconnected, and a mount of ${names} fails (EIO) until serve is started again.`,
      ),
    )
  }
}

/** Says what is served, and how clients mount it. */
function announce(engine: Engine, share: Share, addresses: readonly Address[]): void {
  for (const { name, directory, readOnly } of share.exports) {
    const as = name === null ? '' : ` as ${name}`
    printError(`lowerdir: serving ${directory}${as}${readOnly ? ' read-only' : ''}.`)
  }
  for (const [i, bound] of engine.listen.entries()) {
    const address = bound.kind === 'virtiofs' ? addresses[i] : bound
    if (address === undefined) continue
    for (const line of mountLines(address, share.limits.msize, share.exports)) print(line)
  }
}

/** Serves the one client at the other end of this process's standard streams, until that client is gone. */
async function serveStdio(served: Served, log: (line: string) => void): Promise<void> {
  if (served.sandbox === 'require') {
    throw new UserError(
      '--sandbox require: a server at stdio has no process of its own that could be confined. Listen on a socket instead.',
    )
  }
  log('sandbox: off, because a server at stdio has no process of its own')
  const exports = new HostExports(served.exports)
  const stream = Duplex.from({ readable: process.stdin, writable: process.stdout })
  await serveDuplex(exports, stream, log, served.limits)
  exports.close()
}
