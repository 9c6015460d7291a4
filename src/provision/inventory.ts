import { KernelError } from '../guest/kernel.ts'
import { Archive } from './archive.ts'
import type { FetchOptions } from './archive.ts'
import { fetchBusybox, findBusybox } from './busybox.ts'
import type { Busybox } from './busybox.ts'
import { ProvisionError } from './provision-error.ts'
import { fetchKernel, findKernel } from './kernel.ts'
import type { FoundKernel } from './kernel.ts'
import { namedPath } from './named.ts'
import { fetchQemu, findQemu } from './qemu.ts'
import type { Qemu } from './qemu.ts'

/** The three things that running a guest takes. */
export interface Parts {
  readonly qemu: Qemu
  readonly busybox: Busybox
  readonly kernel: FoundKernel
}

export type PartName = keyof Parts

/** Something that is here, or the sentence that says why it is not. */
export type Finding<T> =
  | { readonly found: T; readonly missing?: undefined }
  | { readonly found?: undefined; readonly missing: string }

/** What is here and what is missing. */
export type Inventory = { readonly [Name in PartName]: Finding<Parts[Name]> }

/** Where to look. */
export interface InventoryOptions {
  /** What the user named, by part; nothing else is looked at for that part then. */
  readonly paths?: Partial<Record<PartName, string | undefined>> | undefined
  /** Only QEMU and a kernel of this Debian suite will do. */
  readonly suite?: string | undefined
  readonly cache?: string | undefined
}

/** Looks for everything that running a guest takes. Fetches nothing and changes nothing. */
export async function inventory(options: InventoryOptions = {}): Promise<Inventory> {
  const { paths = {}, suite, cache } = options
  const [qemu, busybox, kernel] = await Promise.all([
    look(findQemu({ path: paths.qemu, suite, cache })),
    // Any suite's busybox will do: it is the same handful of commands in all of them.
    look(findBusybox({ path: paths.busybox, cache })),
    look(findKernel({ path: paths.kernel, suite, cache })),
  ])
  return { qemu, busybox, kernel }
}

/** What to provide, and how. */
export interface ProvisionOptions extends FetchOptions, InventoryOptions {
  readonly suite?: string | undefined
  readonly cache?: string | undefined
  /** Which parts are wanted; all by default. */
  readonly want?: readonly PartName[] | undefined
}

/**
 * Fetches what is missing, and only that, in the order busybox, kernel, QEMU. What is there already is
 * found as `inventory` finds it.
 *
 * @returns What is here afterwards.
 * @throws ProvisionError if something cannot be fetched, or what the user named will not do.
 */
export async function provision(options: ProvisionOptions = {}): Promise<Inventory> {
  const { want = ['busybox', 'kernel', 'qemu'], paths = {} } = options
  const before = await inventory(options)
  const missing = want.filter((name) => before[name].found === undefined)
  for (const name of missing) {
    // To fetch another than the one that was named would not be what was asked for.
    const named = options.suite === undefined ? namedPath(name, paths[name]) : paths[name]
    if (named !== undefined) throw new ProvisionError('unusable', before[name].missing ?? '')
  }
  if (missing.length === 0) return before

  await using archive = await Archive.open(options)
  if (missing.includes('busybox')) await fetchBusybox(archive)
  if (missing.includes('kernel')) await fetchKernel(archive)
  if (missing.includes('qemu')) await fetchQemu(archive)
  return await inventory(options)
}

async function look<T>(search: Promise<T>): Promise<Finding<T>> {
  try {
    return { found: await search }
  } catch (error) {
    if (error instanceof ProvisionError || error instanceof KernelError) {
      return { missing: error.message }
    }
    throw error
  }
}
