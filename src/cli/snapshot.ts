import type { MachinePlan } from '../machine/plan.ts'
import { Snapshot, SnapshotError } from '../machine/snapshot.ts'
import { type CachedSnapshot, SnapshotCache } from '../machine/snapshot-cache.ts'
import { whyUnfit } from '../machine/snapshot-fit.ts'
import { type Inventory, inventory } from '../provision/inventory.ts'
import { age, size } from '../util/format.ts'
import { didYouMean } from '../util/nearest.ts'
import { checkNoArguments, command } from './command.ts'
import { UserError } from './user-error.ts'
import { print } from './print.ts'

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
The first characters of a KEY are enough.

list shows for each: when it was made and last used, the guest's memory, and the QEMU and the kernel that it was made
with. It fits if these are the ones that \`lowerdir doctor\` finds now, or, where the test has named its own, if they
are still there. One that does not fit is not used again, and the next run of its test makes another.`,

  async run({ all }, [action, ...keys]) {
    const cache = new SnapshotCache()
    const snapshots = await cache.list()
    if (action === 'list') {
      checkNoArguments('snapshot', keys, 'snapshot list')
      for (const line of await list(snapshots)) print(line)
      return 0
    }
    if (action !== 'remove' || keys.length > 0 === (all === true)) {
      const guess = action === 'remove' ? '' : didYouMean(action ?? '', ['list', 'remove'])
      throw new UserError(
        `snapshot needs something to do: \`lowerdir snapshot list\`, or \`lowerdir snapshot remove\` with keys or --all.${guess}`,
      )
    }
    const chosen = all === true ? snapshots : keys.map((key) => choose(snapshots, key))
    for (const { key } of chosen) await cache.remove(key)
    print(`${chosen.length} removed.`)
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

/** A snapshot with what a person wants to know of it. */
interface Told extends CachedSnapshot {
  /** Undefined where it cannot be read. */
  readonly plan?: MachinePlan
  /** Why it cannot be used today. */
  readonly unfit?: string | undefined
}

async function tellOf(kept: CachedSnapshot, now: Inventory): Promise<Told> {
  try {
    const { plan } = (await Snapshot.read(kept.folder)).machine
    return { ...kept, plan, unfit: whyUnfit(plan, now) }
  } catch (error) {
    if (!(error instanceof SnapshotError)) throw error
    return { ...kept, unfit: 'another version of lowerdir made it' }
  }
}

const HEAD = ['KEY', 'NAME', 'SIZE', 'MADE', 'USED', 'MEMORY', 'QEMU', 'KERNEL', 'FITS']

async function list(snapshots: readonly CachedSnapshot[]): Promise<string[]> {
  if (snapshots.length === 0) return ['There are no snapshots.']
  const now = await inventory()
  const told = await Promise.all(snapshots.map((each) => tellOf(each, now)))
  const [head = '', ...rows] = columns([HEAD, ...told.map(cellsOf)])
  const total = snapshots.reduce((sum, { bytes }) => sum + bytes, 0)
  return [
    head,
    ...told.flatMap((each, index) => [rows[index] ?? ''].concat(remarksOn(each))),
    `${snapshots.length} in all, ${size(total)}`,
  ]
}

function cellsOf({ key, name, bytes, made, used, plan, unfit }: Told): readonly string[] {
  const now = Date.now()
  return [
    key.slice(0, SHORT),
    name,
    size(bytes),
    age(now - made.getTime()),
    age(now - used.getTime()),
    plan === undefined ? '?' : size(plan.memoryMiB * 2 ** 20),
    plan?.qemu.version.text ?? '?',
    plan?.kernel.release ?? '?',
    unfit === undefined ? 'yes' : 'no',
  ]
}

/** The lines below a snapshot's row, indented. */
function remarksOn({ root, doing, unfit }: Told): string[] {
  const remarks = [`root ${root}`]
  if (doing !== '') remarks.push(`done: ${doing}`)
  if (unfit !== undefined) remarks.push(`does not fit: ${unfit}`)
  return remarks.map((remark) => `  ${remark}`)
}

/** Rows of cells as lines, each column as wide as its longest cell. */
function columns(rows: readonly (readonly string[])[]): string[] {
  const widths = HEAD.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  )
}
