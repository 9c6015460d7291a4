import { access, open, stat } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { instead } from '../util/error.ts'
import { ModuleFolder } from './modules.ts'

/** A kernel that a guest can boot. */
export interface Kernel {
  /** The image, as distributions install it. */
  readonly image: string
  /** The same kernel decompressed, where it lies beside the image: an emulated guest boots it faster. */
  readonly elf?: string
  /** What `uname -r` prints in the guest. */
  readonly release: string
  /** The folder with the kernel's modules and their modules.dep. */
  readonly modules: string
}

/** A guest cannot run with a kernel. The message says why, and what to do. */
export class KernelError extends Error {
  override readonly name = 'KernelError'
  readonly code: 'missing' | 'unreadable' | 'not-a-kernel' | 'no-modules' | 'lacks-module'

  constructor(code: KernelError['code'], message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** The modules that every guest needs, and what each is for. */
const NEEDED: readonly (readonly [module: string, purpose: string])[] = [
  ['9p', 'the 9P file system, over which the guest sees the host directory'],
  ['overlay', "overlayfs, which keeps the guest's writes away from the host"],
  ['virtio_pci', "virtio, which the guest's devices are"],
  ['virtio_net', 'virtio NICs'],
]

/**
 * Reads a kernel's release from its image, finds its modules, and checks that they include what guests need.
 *
 * Modules are looked for in lib/modules/RELEASE beside the image, in the image's own folder, in
 * lib/modules/RELEASE one folder up (where /boot's are), and in `root`.
 *
 * @param root the root of the host's file system.
 * @throws KernelError that says what is wrong with the kernel.
 */
export async function readKernel(image: string, root = '/'): Promise<Kernel> {
  const release = await readRelease(image)
  const modules = await findModules(image, release, root)
  const folder = await ModuleFolder.open(modules)
  for (const [module, purpose] of NEEDED) {
    if (folder.has(module)) continue
    const cloud = /cloud/.test(release) ? ` Debian's "cloud" kernels are built without it.` : ''
    throw new KernelError(
      'lacks-module',
      `The kernel ${release} (${image}) has no ${module}, neither as a module nor built in: ` +
        `${purpose}.${cloud} \`lowerdir setup\` fetches a kernel that has it.`,
    )
  }
  const elf = elfBeside(image)
  const hasElf = await access(elf).then(() => true, instead(false))
  return { image, release, modules, ...(hasElf ? { elf } : {}) }
}

/** Where a kernel lies that is the decompressed `image`. */
export function elfBeside(image: string): string {
  return `${image}.elf`
}

async function readRelease(image: string): Promise<string> {
  let file: FileHandle
  try {
    file = await open(image)
  } catch (error) {
    throw explainOpen(image, error as NodeJS.ErrnoException)
  }
  try {
    if ((await file.stat()).isFile()) {
      const release = (await bzImageRelease(file)) ?? (await arm64Release(file, image))
      if (release !== undefined) return release
    }
  } finally {
    await file.close()
  }
  throw new KernelError(
    'not-a-kernel',
    `${image} is not a kernel image for this machine. ` +
      'Name a bzImage (x86-64) or an Image (aarch64), as /boot/vmlinuz-… is one.',
  )
}

function explainOpen(image: string, error: NodeJS.ErrnoException): KernelError {
  const options = { cause: error }
  switch (error.code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return new KernelError('missing', `There is no kernel at ${image}.`, options)
    case 'EACCES':
    case 'EPERM':
      return new KernelError(
        'unreadable',
        `The kernel ${image} may not be read by this user (Ubuntu keeps its kernels for root). ` +
          `Make it readable with \`sudo chmod a+r ${image}\`, or let \`lowerdir setup\` fetch one.`,
        options,
      )
    default:
      return new KernelError('unreadable', `${image} cannot be read: ${error.message}`, options)
  }
}

/**
 * The release in the header of an x86 image. Documentation/arch/x86/boot.rst: "HdrS" at 0x202, and at
 * 0x20e a 16-bit pointer, less 0x200, to a string that starts with the release.
 */
async function bzImageRelease(file: FileHandle): Promise<string | undefined> {
  if (process.arch !== 'x64') return undefined
  const header = await readAt(file, 0, 0x210)
  if (header.length < 0x210 || header.toString('latin1', 0x202, 0x206) !== 'HdrS') return undefined
  const text = await readAt(file, header.readUInt16LE(0x20e) + 0x200, 256)
  return releaseIn(text.toString('latin1'))
}

/**
 * The release of an aarch64 image. Its header (Documentation/arch/arm64/booting.rst: "ARM\x64" at
 * 0x38; "zimg" at 4 in a compressed one) has none. The kernel's greeting has it, unless compressed;
 * then the file is called by it, or lies in a folder that is.
 */
async function arm64Release(file: FileHandle, image: string): Promise<string | undefined> {
  if (process.arch !== 'arm64') return undefined
  const header = await readAt(file, 0, 0x40)
  const isPlain = header.toString('latin1', 0x38, 0x3c) === 'ARMd'
  const isCompressed =
    header.toString('latin1', 4, 8) === 'zimg' || header.readUInt16BE(0) === 0x1f8b
  if (!isPlain && !isCompressed) return undefined
  if (isPlain) {
    const bytes = await readAt(file, 0, (await file.stat()).size)
    const at = bytes.indexOf('Linux version ')
    if (at >= 0) return releaseIn(bytes.toString('latin1', at + 14, at + 270))
  }
  return [basename(image).replace(/^[a-zA-Z]+-/, ''), basename(dirname(image))].find((name) =>
    /^\d+\.\d+/.test(name),
  )
}

function releaseIn(text: string): string | undefined {
  return /^\d+\.\d+[^\s\0]*/.exec(text)?.[0]
}

async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length)
  const { bytesRead } = await file.read(buffer, 0, length, position)
  return buffer.subarray(0, bytesRead)
}

async function findModules(image: string, release: string, root: string): Promise<string> {
  const beside = dirname(image)
  const folders = [
    join(beside, 'lib/modules', release),
    ...(basename(beside) === release ? [beside] : []),
    join(beside, '../lib/modules', release),
    join(root, 'lib/modules', release),
    join(root, 'usr/lib/modules', release),
  ]
  for (const folder of folders) {
    const found = await stat(join(folder, 'modules.dep')).catch(instead(undefined))
    if (found?.isFile()) return folder
  }
  throw new KernelError(
    'no-modules',
    `The modules of kernel ${release} (${image}) are not here: none of these folders has a ` +
      `modules.dep: ${[...new Set(folders)].join(', ')}. Put them there, with ` +
      '`make modules_install` for a kernel of your own, or let `lowerdir setup` fetch a kernel.',
  )
}
