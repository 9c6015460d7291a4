import { type CachedSnapshot, SnapshotCache } from '../machine/snapshot-cache.ts'
import { command } from './command.ts'
import { UserError } from './user-error.ts'

/** How many characters of a key are shown: enough to tell keys apart. */
const SHORT = 12

export const snapshot = command({
  summary: 'list or remove the snapshots that tests keep',
  usage: 'snapshot list | snapshot remove KEY… | snapshot remove --all',
  options: {
    all: { type: 'boolean', help: 'remove: all of them' },
  },
  notes: `Tests keep snapshots of machines, so that the next run does not have to boot them. A snapshot that was not used
for 14 days is removed by itself. If all together take more than 4 GiB, those that were used longest ago are removed.
The first characters of a KEY are enough.`,

  async run({ all }, [action, ...keys]) {
    const cache = new SnapshotCache()
    const snapshots = await cache.list()
    if (action === 'list' && keys.length === 0) {
      for (const line of table(snapshots)) console.log(line)
      return 0
    }
    if (action !== 'remove' || keys.length > 0 === (all === true)) {
      throw new UserError(
        'snapshot needs something to do: `lowerdir snapshot list`, or `lowerdir snapshot remove` with keys or --all.',
      )
    }
    const chosen = all === true ? snapshots : keys.map((key) => choose(snapshots, key))
    for (const { key } of chosen) await cache.remove(key)
    console.log(`${chosen.length} removed.`)
    return 0
  },
})

function choose(snapshots: readonly CachedSnapshot[], beginning: string): CachedSnapshot {
  const [found, ...more] = snapshots.filter(({ key }) => key.startsWith(beginning))
  if (found === undefined)
    throw new UserError(`There is no snapshot ${beginning}. \`lowerdir snapshot list\` shows them.`)
  if (more.length > 0)
    throw new UserError(
      `Several snapshots begin with ${beginning}: give more characters of the key.`,
    )
  return found
}

function table(snapshots: readonly CachedSnapshot[]): string[] {
  if (snapshots.length === 0) return ['There are no snapshots.']
  const total = snapshots.reduce((sum, { bytes }) => sum + bytes, 0)
  return [
    ...snapshots.map(({ key, bytes, used, name, root, doing }) =>
      [key.slice(0, SHORT), size(bytes), `used ${moment(used)}`, name, root, doing]
        .filter((each) => each !== '')
        .join('  '),
    ),
    `${snapshots.length} in all, ${size(total).trim()}`,
  ]
}

function size(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(0)} MiB`.padStart(9)
}

/** To the minute, in local time. */
function moment(date: Date): string {
  const pad = (number: number): string => String(number).padStart(2, '0')
  const day = `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`
  return `${day} ${pad(date.getHours())}:${pad(date.getMinutes())}`
}
