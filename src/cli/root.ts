import { makeRoot } from '../provision/root/root.ts'
import { command } from './command.ts'
import { UserError } from './user-error.ts'
import { abortOnSignals } from './interrupt.ts'
import { ProgressLine, showFetch } from './progress.ts'
import { print } from './print.ts'

export const root = command({
  summary: 'make the root of a Debian system with systemd, for guests to run on',
  usage: 'root DIR [OPTION…]',
  options: {
    suite: {
      type: 'string',
      value: 'NAME',
      help: "the Debian suite, such as trixie or sid (default: the host's own)",
    },
    include: {
      type: 'string',
      multiple: true,
      value: 'PACKAGE[,…]',
      help: 'packages to install in addition to those that every root has',
    },
  },
  notes: `DIR must be empty or not exist yet. The packages come from the Debian mirror that this machine's apt uses: 45 MB
to download, 110 MB on disk. The command needs root, and leaves no mount and no running service. To boot it:

  lowerdir run --root DIR`,

  async run({ suite, include = [] }, [folder, ...more]) {
    if (folder === undefined || more.length > 0) {
      throw new UserError('root needs the directory to make: `lowerdir root DIR`.')
    }
    const packages = include.flatMap((text) => text.split(',')).map((name) => name.trim())
    const wrong = packages.find((name) => !/^[a-z\d][a-z\d+.-]+$/.test(name))
    if (wrong !== undefined) {
      throw new UserError(`--include ${wrong}: this is not the name of a Debian package.`)
    }
    const progress = new ProgressLine()
    try {
      const made = await makeRoot(folder, {
        suite,
        include: packages,
        signal: abortOnSignals(),
        onProgress: showFetch(progress),
      })
      progress.clear()
      print(
        `${made.folder} is the root of Debian ${made.release} (${made.suite}) with ${made.packages.length} packages.`,
      )
      return 0
    } finally {
      progress.clear()
    }
  },
})
