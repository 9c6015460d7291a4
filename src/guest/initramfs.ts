import { readFile, writeFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { agentScript, commandsScript, slotScript } from './agent.ts'
import { CHANGES_SCRIPT, changesScript } from './changes.ts'
import { type CpioEntry, cpio } from './cpio.ts'
import { type InitOptions, initScript } from './init.ts'
import { readInitrd } from './initrd.ts'
import type { Kernel } from './kernel.ts'
import { readModule } from './module-file.ts'
import { resolveModules } from './modules.ts'

/** What an initramfs is made from. */
export interface InitramfsOptions extends Omit<InitOptions, 'modules'> {
  readonly kernel: Kernel
  /** A static busybox. */
  readonly busybox: string
  /** The kernel modules that the guest's devices need, by name, besides those that every guest has. */
  readonly modules: readonly string[]
  /**
   * The file of an archive that the kernel unpacks before this one: a file that is in both has this one's content. An
   * uncompressed archive may have what the kernel reads before it unpacks anything: ACPI tables, microcode.
   */
  readonly first: string | null
}

/** Modules that every guest has. */
const MODULES = ['virtio_pci', 'virtio_net', '9p', '9pnet_fd', 'overlay']

/** In Linux before 5.17 the stream transports are part of 9pnet. */
const OPTIONAL = ['9pnet_fd']

/** The applets of busybox that the init script and the agent use. */
const APPLETS = [
  'cat',
  'chroot',
  'cmp',
  'date',
  'dd',
  'find',
  'hostname',
  'insmod',
  'ip',
  'kill',
  'ln',
  'mkdir',
  'mke2fs',
  'mkfifo',
  'modprobe',
  'mount',
  'nsenter',
  'poweroff',
  'reboot',
  'readlink',
  'rm',
  'rmdir',
  'setsid',
  'sh',
  'sleep',
  'start-stop-daemon',
  'stat',
  'stty',
  'sync',
  'umount',
  'unshare',
  'xargs',
] as const

/**
 * Writes the initramfs that makes a guest's root, to `file`.
 *
 * @throws UnknownModuleError when the kernel lacks a module; Error for an initrd that is none; and what reading the
 *   other files throws.
 */
export async function writeInitramfs(file: string, options: InitramfsOptions): Promise<void> {
  const { kernel, busybox, first } = options
  const names = [...MODULES, ...options.modules]
  const modules = await resolveModules(kernel, names, { optional: OPTIONAL })
  const fileNames = modules.map(({ file: path }) => moduleFileName(path))
  const init = initScript({ ...options, modules: fileNames })

  const entries: CpioEntry[] = [
    ...folder(
      'bin',
      'cgroup',
      'control',
      'dev',
      'lower',
      'modules',
      'own',
      'proc',
      'root',
      'sys',
      'upper',
    ),
    script('init', init),
    script('agent', agentScript),
    script('slot', slotScript),
    script('commands', commandsScript),
    script(CHANGES_SCRIPT.slice(1), changesScript),
    { kind: 'file', path: 'bin/busybox', mode: 0o755, data: await readFile(busybox) },
    ...APPLETS.map((name): CpioEntry => ({
      kind: 'symlink',
      path: `bin/${name}`,
      target: 'busybox',
    })),
    // The name under which the agent runs: see agent.ts.
    { kind: 'symlink', path: '@/busybox', target: '/bin/busybox' },
    // The kernel runs modprobe in this root when it needs a module, and the guest's root has the modules.
    { kind: 'symlink', path: 'sbin/modprobe', target: '/bin/busybox' },
    { kind: 'symlink', path: 'lib/modules', target: '/root/lib/modules' },
    // The kernel opens it for /init before devtmpfs is mounted.
    { kind: 'char device', path: 'dev/console', mode: 0o600, major: 5, minor: 1 },
  ]
  for (const [i, { file: path }] of modules.entries()) {
    const data = await readModule(path, { busybox })
    entries.push({ kind: 'file', path: `modules/${fileNames[i]}`, mode: 0o644, data })
  }
  const before = first === null ? [] : [await readInitrd(first)]
  await writeFile(file, [...before, cpio(entries)], { mode: 0o600 })
}

/** The name of a module's file in the initramfs, where it is not compressed. */
function moduleFileName(path: string): string {
  return basename(path).replace(/\.(gz|xz|zst)$/, '')
}

function folder(...paths: string[]): CpioEntry[] {
  return paths.map((path) => ({ kind: 'directory', path, mode: 0o755 }))
}

function script(path: string, text: string): CpioEntry {
  return { kind: 'file', path, mode: 0o755, data: Buffer.from(text) }
}
