import { resolve } from 'node:path'
import { MSIZE_MAX, MSIZE_MIN } from '../protocol/limits.ts'
import { defaultLimits } from '../server/session.ts'
import { startEngine } from '../transport/engine/engine.ts'
import { command } from './command.ts'
import { UserError, explain } from './failure.ts'
import { Interrupted, abortOnSignals, whenAborted } from './interrupt.ts'
import { mountLine, parseListen } from './listen.ts'
import { parseChoice, parseCount, parseOwner } from './values.ts'

export const serve = command({
  summary: 'share a directory over 9P2000.L',
  usage: 'serve DIR --listen unix:PATH|tcp:[HOST:]PORT [OPTION…]',
  options: {
    listen: {
      type: 'string',
      multiple: true,
      value: 'ADDRESS',
      help: 'unix:PATH (open to this user only) or tcp:[HOST:]PORT (default HOST 127.0.0.1)',
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
    const signal = abortOnSignals()
    const readOnly = values['read-only'] ?? false
    const msize =
      values.msize === undefined
        ? MSIZE_MAX
        : parseCount('msize', values.msize, MSIZE_MIN, MSIZE_MAX)
    const share = {
      directory: resolve(directory),
      readOnly,
      owner: parseOwner(values.owner),
      atime: parseChoice('atime', values.atime ?? 'preserve', ['preserve', 'guest']),
      limits: { ...defaultLimits, msize },
      listen: values.listen.map((text) =>
        parseListen(text, values['allow-other-machines'] ?? false),
      ),
    }
    const log = (line: string): void => {
      if (values.verbose === true) console.error(`lowerdir: ${line}`)
    }

    let engine
    try {
      engine = await startEngine(share, log)
    } catch (error) {
      const where = values.listen.join(', ')
      throw explain(`${directory} cannot be served at ${where}`, error)
    }
    await using serving = engine
    console.error(
      `lowerdir: serving ${share.directory}${readOnly ? ' read-only' : ''}. In the guest:`,
    )
    for (const listen of serving.listen) console.log(mountLine(listen, msize, readOnly))
    try {
      await Promise.race([serving.ended, whenAborted(signal)])
    } catch (error) {
      if (!(error instanceof Interrupted)) throw error
    }
    return 0
  },
})
