/**
 * Finds what a guest needs on this machine (QEMU, a kernel, busybox), fetches what is missing from Debian, and keeps it,
 * with Debian roots and tesseract, in one cache folder.
 */

import { KernelError } from '../guest/kernel.ts'
import { Archive } from './archive.ts'
import type { FetchOptions } from './archive.ts'
import { fetchBusybox, findBusybox } from './busybox.ts'
import type { Busybox } from './busybox.ts'
import { ProvisionError } from './provision-error.ts'
import { fetchKernel, findKernel } from './kernel.ts'
import type { FoundKernel } from './kernel.ts'
import { namedPath } from './lookup.ts'
import { fetchQemu, findQemu } from './qemu.ts'
import type { Qemu } from './qemu.ts'

/** The three parts that running a guest takes. */
export interface Parts {
  readonly qemu: Qemu
  readonly busybox: Busybox
  readonly kernel: FoundKernel
}

export type PartName = keyof Parts

/** A part that was found, or a sentence that says why it is missing and what to do. */
export type Finding<T> =
  | { readonly found: T; readonly missing?: undefined }
  | { readonly found?: undefined; readonly missing: string }

/** What was found of each part. */
export type Inventory = { readonly [Name in PartName]: Finding<Parts[Name]> }

/** Where to look. */
export interface InventoryOptions {
  /** The paths that the user named, by part: each is then the only candidate for its part. */
  readonly paths?: Partial<Record<PartName, string | undefined>> | undefined
  /** Accept only a QEMU and a kernel of this Debian suite. */
  readonly suite?: string | undefined
  readonly cache?: string | undefined
}

/** Looks for all parts. Fetches nothing and changes nothing. */
export async function inventory(options: InventoryOptions = {}): Promise<Inventory> {
  const { paths = {}, suite, cache } = options
  const [qemu, busybox, kernel] = await Promise.all([
    look(findQemu({ path: paths.qemu, suite, cache })),
    // The suite does not matter for busybox: each has the applets that the guest needs.
    look(findBusybox({ path: paths.busybox, cache })),
    look(findKernel({ path: paths.kernel, suite, cache })),
  ])
  return { qemu, busybox, kernel }
}

/**
 * Finds all parts. Fetches nothing.
 *
 * @throws ProvisionError with a sentence for each part that is missing, and what to do about it.
 */
export async function findParts(options: InventoryOptions): Promise<Parts> {
  const { qemu, busybox, kernel } = await inventory(options)
  if (qemu.found !== undefined && busybox.found !== undefined && kernel.found !== undefined) {
    return { qemu: qemu.found, busybox: busybox.found, kernel: kernel.found }
  }
  const missing = [qemu.missing, busybox.missing, kernel.missing].filter(
    (sentence) => sentence !== undefined,
  )
  // Each sentence ends with the same advice, which is said once if there are several.
  const sentences = missing.length === 1 ? missing : [...missing.map(withoutAdvice), ADVICE]
  throw new ProvisionError('not-found', sentences.join('\n'))
}

const ADVICE = '`lowerdir setup` fetches what is missing.'

function withoutAdvice(sentence: string): string {
  return sentence.replace(/ `lowerdir setup` fetches one\.$/m, '')
}

/** What to provide, and how. */
export interface ProvisionOptions extends FetchOptions, InventoryOptions {
  readonly suite?: string | undefined
  readonly cache?: string | undefined
  /** Which parts are wanted; all by default. */
  readonly want?: readonly PartName[] | undefined
}

/**
 * Fetches the parts that `inventory` does not find, in the order busybox, kernel, QEMU.
 *
 * @returns The inventory afterwards.
 * @throws ProvisionError if a part cannot be fetched, or the one that the user named cannot be used.
 */
export async function provision(options: ProvisionOptions = {}): Promise<Inventory> {
  const { want = ['busybox', 'kernel', 'qemu'], paths = {} } = options
  const before = await inventory(options)
  const missing = want.filter((name) => before[name].found === undefined)
  for (const name of missing) {
    // The user asked for this very file; a fetched one would not be it.
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
