import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { instead } from '../util/error.ts'

/** One file to load into the guest's kernel. */
export interface GuestModule {
  /** The kernel's name for it, with `_` where the file may have `-`. */
  readonly name: string
  readonly file: string
}

/** The names that may be missing. */
export interface ResolveOptions {
  /** These modules are loaded if the kernel has them. */
  readonly optional?: readonly string[]
}

/** A name of neither a module nor something built in. */
class UnknownModuleError extends Error {
  override readonly name = 'UnknownModuleError'
  readonly module: string

  constructor(module: string, folder: string) {
    super(`The kernel has no module ${module}: ${folder} does not list it, and it is not built in.`)
    this.module = module
  }
}

/**
 * The module folder of one kernel, /lib/modules/RELEASE, with the indexes of depmod.
 *
 * Names are looked up as modprobe does it: `-` and `_` are the same, a built-in needs nothing, and an alias
 * ("crc32c", "fs-ext4") stands for all modules that have it.
 */
export class ModuleFolder {
  readonly folder: string
  /** The files of each module and of all that it depends on, relative to the folder. */
  readonly #files: ReadonlyMap<string, ModuleEntry>
  readonly #builtin: ReadonlySet<string>
  readonly #aliases: ReadonlyMap<string, readonly string[]>
  /** The soft dependencies of a module: it works better with them, and is not linked against them. */
  readonly #softdeps: ReadonlyMap<string, readonly string[]>

  private constructor(folder: string, indexes: Record<IndexName, string>) {
    this.folder = folder
    this.#files = parseDep(indexes['modules.dep'])
    this.#builtin = new Set(lines(indexes['modules.builtin']).map(moduleName))
    this.#aliases = parseAlias(indexes['modules.alias'])
    this.#softdeps = parseSoftdep(indexes['modules.softdep'])
  }

  /**
   * Reads the indexes of a module folder.
   *
   * @throws Error if there is no modules.dep. The other indexes are optional.
   */
  static async open(folder: string): Promise<ModuleFolder> {
    const read = async (name: IndexName): Promise<string> => readFile(join(folder, name), 'utf8')
    const orNothing = async (name: IndexName): Promise<string> =>
      read(name).catch(instead('', 'ENOENT'))
    return new ModuleFolder(folder, {
      'modules.dep': await read('modules.dep'),
      'modules.builtin': await orNothing('modules.builtin'),
      'modules.alias': await orNothing('modules.alias'),
      'modules.softdep': await orNothing('modules.softdep'),
    })
  }

  /** Whether the kernel can do what a module is for, by a file or built in. */
  has(name: string): boolean {
    return this.#builtin.has(canonical(name)) || this.#lookUp(name).length > 0
  }

  /**
   * The files to load, in order, for all of `names` to be there: each after everything it depends
   * on, none twice, built-ins left out.
   *
   * @throws UnknownModuleError for a name that is in neither the kernel nor `optional`.
   */
  resolve(names: readonly string[], { optional = [] }: ResolveOptions = {}): GuestModule[] {
    const order = new Map<string, GuestModule>()
    const pending = new Set<string>()
    const add = (name: string): void => {
      // A soft dependency may depend on the module itself. The order then does not matter.
      if (order.has(name) || pending.has(name)) return
      const entry = this.#files.get(name)
      if (entry === undefined) return
      pending.add(name)
      for (const soft of this.#softdeps.get(name) ?? []) this.#lookUp(soft).forEach(add)
      // depmod lists the module to load first at the end; busybox's depmod lists in no order. In both, the
      // entry of each dependency is right, so the dependencies are followed one by one.
      for (const dependency of entry.dependencies) add(dependency)
      order.set(name, { name, file: join(this.folder, entry.file) })
    }
    for (const name of names) {
      if (this.#builtin.has(canonical(name))) continue
      const found = this.#lookUp(name)
      if (found.length === 0 && !optional.includes(name)) {
        throw new UnknownModuleError(name, this.folder)
      }
      found.forEach(add)
    }
    return [...order.values()]
  }

  /** The modules that a name stands for: itself, or those that have it as an alias. */
  #lookUp(name: string): readonly string[] {
    const own = canonical(name)
    if (this.#builtin.has(own)) return []
    return this.#files.has(own) ? [own] : (this.#aliases.get(own) ?? [])
  }
}

/** Resolves names in a kernel's module folder; see `ModuleFolder.resolve`. */
export async function resolveModules(
  kernel: { readonly modules: string },
  names: readonly string[],
  options?: ResolveOptions,
): Promise<GuestModule[]> {
  return (await ModuleFolder.open(kernel.modules)).resolve(names, options)
}

type IndexName = 'modules.dep' | 'modules.builtin' | 'modules.alias' | 'modules.softdep'

interface ModuleEntry {
  readonly file: string
  readonly dependencies: readonly string[]
}

/** `kernel/fs/9p/9p.ko.xz: kernel/net/9p/9pnet.ko.xz kernel/fs/netfs/netfs.ko.xz` */
function parseDep(text: string): Map<string, ModuleEntry> {
  const entries = new Map<string, ModuleEntry>()
  for (const line of lines(text)) {
    const [file = '', dependencies = ''] = line.split(':')
    entries.set(moduleName(file), {
      file,
      dependencies: dependencies.split(' ').filter(Boolean).map(moduleName),
    })
  }
  return entries
}

/** `alias crc32c crc32c_intel`. Aliases with patterns are for devices, and no guest asks for a module by these. */
function parseAlias(text: string): Map<string, string[]> {
  const aliases = new Map<string, string[]>()
  for (const line of lines(text)) {
    const [keyword, alias, module] = line.split(' ')
    if (keyword !== 'alias' || alias === undefined || module === undefined) continue
    if (/[*?[\]]/.test(alias)) continue
    const key = canonical(alias)
    aliases.set(key, [...(aliases.get(key) ?? []), canonical(module)])
  }
  return aliases
}

/** `softdep ext4 pre: crc32c post: x`. Modules behind `post:` are not needed first, and are left out. */
function parseSoftdep(text: string): Map<string, string[]> {
  const softdeps = new Map<string, string[]>()
  for (const line of lines(text)) {
    const match = /^softdep (\S+)(?:.*?\bpre:((?: +[^\s:]+(?!\S*:))*))/.exec(line)
    if (!match) continue
    const name = canonical(match[1] ?? '')
    const before = (match[2] ?? '').split(' ').filter(Boolean)
    softdeps.set(name, [...(softdeps.get(name) ?? []), ...before])
  }
  return softdeps
}

function lines(text: string): string[] {
  return text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
}

/** The kernel's name for the module in a file: `crc32c_intel` for kernel/…/crc32c-intel.ko.xz. */
function moduleName(file: string): string {
  return canonical(file.slice(file.lastIndexOf('/') + 1).replace(/\.ko(\.\w+)?$/, ''))
}

function canonical(name: string): string {
  return name.replaceAll('-', '_')
}
