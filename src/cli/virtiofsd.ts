import { chmodSync, closeSync, constants, lchownSync, openSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { type Engine, openEngine } from '../server/engine.ts'
import { ListenError } from '../server/listening-socket.ts'
import type { Share } from '../server/share.ts'
import { defaultLimits } from '../session/session-limits.ts'
import { descriptorLimit } from '../sys/process.ts'
import { keepsAcls } from '../tree/host/xattrs.ts'
import { messageOf } from '../util/error.ts'
import { whenAborted } from '../util/promises.ts'
import { version } from './version.ts'
import { explainListen } from './explain-listen.ts'
import { Interrupted, abortOnSignals } from './interrupt.ts'
import { PidFile } from './pid-file.ts'
import { print, printError } from './print.ts'
import { UserError, explain } from './user-error.ts'
import {
  type LogLevel,
  type VirtiofsdRequest,
  parseVirtiofsd,
  virtiofsdHelp,
} from './virtiofsd-options.ts'

/** The virtiofsd whose command line this is. Programs that need one of its options compare this number. */
const LIKE = '1.14.0'

/** Exit statuses, as virtiofsd has them: of a command line that is refused, and of everything else that fails. */
const status = { usage: 2, failure: 1 } as const

/** virtiofsd's command line. */
export const virtiofsd = {
  summary: "serve a directory with virtiofsd's command line, as its drop-in replacement",

  /** @returns the process's exit status. */
  async main(args: readonly string[]): Promise<number> {
    let request: VirtiofsdRequest
    try {
      const command = parseVirtiofsd(args)
      if (command.kind !== 'serve') {
        print(answers[command.kind]())
        return args.length === 0 ? status.usage : 0
      }
      request = command.request
    } catch (error) {
      if (!(error instanceof UserError)) throw error
      printError(`virtiofsd: ${error.message}`)
      return status.usage
    }
    const say = printer(request.level)
    try {
      for (const warning of request.warnings) say('warn', `${warning}.`)
      await serveOnce(request, say)
      return 0
    } catch (error) {
      if (error instanceof Interrupted)
        return error.signal === 'SIGINT' ? error.exitStatus : status.failure
      const isOurs = error instanceof TypeError || error instanceof RangeError
      say('error', isOurs ? (error.stack ?? error.message) : messageOf(error))
      return status.failure
    }
  },
}

const answers = {
  help: virtiofsdHelp,
  version: () => `virtiofsd ${LIKE} (lowerdir ${version()})`,
  // docs/interop/vhost-user.rst of QEMU, "Backend program conventions"; libvirt then uses long options.
  capabilities: () => JSON.stringify({ type: 'fs', features: ['separate-options'] }, null, 2),
} as const

type Say = (level: Exclude<LogLevel, 'off'>, line: string) => void

const severities = ['off', 'error', 'warn', 'info'] as const satisfies readonly LogLevel[]

function printer(most: LogLevel): Say {
  return (level, line) => {
    if (severities.indexOf(level) > severities.indexOf(most)) return
    const name = level === 'warn' ? 'warning: ' : level === 'error' ? 'error: ' : ''
    printError(`virtiofsd: ${name}${line}`)
  }
}

/** Serves one front end, until that has gone. @throws Interrupted for a signal. */
async function serveOnce(request: VirtiofsdRequest, say: Say): Promise<void> {
  const { directory, socket, readOnly } = request
  const group = socket.kind === 'path' ? groupOf(socket.group) : undefined
  const acls = request.acls && mayHaveAcls(directory, say)
  warnOrdinaryUser(request, say)
  const signal = abortOnSignals()
  await using engine = listen(request, acls, (line) => say('info', line))
  if (socket.kind === 'path' && group !== undefined) openTo(group, socket.path)
  using pidFile = socket.kind === 'path' ? new PidFile(`${socket.path}.pid`) : undefined
  // Programs take it as a sign that the socket is there.
  pidFile?.write()
  try {
    await Promise.race([engine.serving, whenAborted(signal)])
  } catch (error) {
    if (error instanceof Interrupted) throw error
    throw explain(cannotServe(directory), error)
  }
  say('info', `serving ${resolve(directory)}${readOnly ? ' read-only' : ''}`)
  await Promise.race([engine.ended, whenAborted(signal)])
}

function listen(request: VirtiofsdRequest, acls: boolean, log: (line: string) => void): Engine {
  const { directory, socket, tag, ...policy } = request
  const { caching, writeback, xattrs, remoteLocks } = policy
  const { readOnly, owner, descriptors, sandbox } = policy
  const share: Share = {
    exports: [
      {
        name: null,
        directory: resolve(directory),
        readOnly,
        owner,
        // As virtiofsd: it reads as any other program does.
        atime: 'guest',
        acls,
        ...(descriptors !== undefined && {
          descriptors: Math.min(descriptors, Math.floor(descriptorLimit() / 2)),
        }),
      },
    ],
    listen: [
      {
        kind: 'virtiofs',
        path: socket.kind === 'path' ? resolve(socket.path) : '',
        fd: socket.kind === 'fd' ? socket.fd : undefined,
        caching,
        writeback,
        xattrs,
        acls,
        remoteLocks,
        offersTag: tag,
        // The server is there for this front end alone, which would end nothing but its own device.
        unsealed: true,
      },
    ],
    limits: defaultLimits,
    sandbox,
    once: true,
  }
  try {
    return openEngine(share, log)
  } catch (error) {
    if (!(error instanceof ListenError)) throw error
    if (socket.kind === 'path') throw explainListen(cannotServe(directory), error)
    throw new UserError(
      `--fd ${socket.fd} is no unix socket that listens. Bind and listen before you start this program, and let it inherit the descriptor.`,
      { cause: error },
    )
  }
}

function cannotServe(directory: string): string {
  return `The directory ${directory} cannot be served`
}

/** The number of a group; undefined for no group. */
function groupOf(name: string | undefined): number | undefined {
  if (name === undefined) return undefined
  const line = readFileSync('/etc/group', 'utf8')
    .split('\n')
    .find((each) => each.startsWith(`${name}:`))
  const id = /^[^:]*:[^:]*:(\d+):/.exec(line ?? '')?.[1]
  if (id === undefined) {
    throw new UserError(`--socket-group ${name}: /etc/group has no such group.`)
  }
  return Number(id)
}

/** Lets a group connect to a socket that was open to its user alone. */
function openTo(group: number, path: string): void {
  try {
    lchownSync(path, -1, group)
    chmodSync(path, 0o660)
  } catch (error) {
    throw explain(`The socket ${path} cannot be opened to the group ${group}`, error)
  }
}

/** Whether the file system of a directory keeps ACLs. If not, virtiofsd answers EOPNOTSUPP as well. */
function mayHaveAcls(directory: string, say: Say): boolean {
  try {
    const fd = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY)
    try {
      if (keepsAcls(fd)) return true
    } finally {
      closeSync(fd)
    }
  } catch (error) {
    throw explain(cannotServe(directory), error)
  }
  say('warn', `--posix-acl: the file system of ${directory} keeps no ACLs. The guest has none.`)
  return false
}

/** virtiofsd would get further ids of its user from newuidmap(1). */
function warnOrdinaryUser({ owner }: VirtiofsdRequest, say: Say): void {
  const isNamespace = typeof owner === 'object' && 'others' in owner && owner.others === 'none'
  if (!isNamespace || process.getuid?.() === 0) return
  say(
    'warn',
    '--uid-map, --gid-map: files that the guest makes belong to this user, since only root may give files away.',
  )
}
