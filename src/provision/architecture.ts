import { ProvisionError } from './provision-error.ts'

/** The names that Debian, QEMU and the dynamic loader have for one CPU architecture. */
export interface Architecture {
  /** Debian's name, as in the file name of a package. */
  readonly debian: string
  /** The folder below `lib/` that holds this architecture's shared libraries. */
  readonly multiarch: string
  /** The file name of the dynamic loader, among those libraries. */
  readonly loader: string
  /** QEMU's program that emulates a whole machine of this architecture. */
  readonly qemuCommand: string
  /** The Debian package that `qemuCommand` comes in. */
  readonly qemuPackage: string
  /** The Debian package that depends on the newest kernel of the suite. */
  readonly kernelPackage: string
}

const ARCHITECTURES: Readonly<Record<string, Architecture>> = {
  x64: {
    debian: 'amd64',
    multiarch: 'x86_64-linux-gnu',
    loader: 'ld-linux-x86-64.so.2',
    qemuCommand: 'qemu-system-x86_64',
    qemuPackage: 'qemu-system-x86',
    kernelPackage: 'linux-image-amd64',
  },
  arm64: {
    debian: 'arm64',
    multiarch: 'aarch64-linux-gnu',
    loader: 'ld-linux-aarch64.so.1',
    qemuCommand: 'qemu-system-aarch64',
    qemuPackage: 'qemu-system-arm',
    kernelPackage: 'linux-image-arm64',
  },
}

/**
 * The names of this machine's architecture. A guest always has the host's architecture, since it runs
 * the host's programs.
 *
 * @param arch Node's name of it.
 * @throws ProvisionError `unsupported` on anything but x86-64 and aarch64.
 */
export function architecture(arch: string = process.arch): Architecture {
  const found = ARCHITECTURES[arch]
  if (found === undefined) {
    throw new ProvisionError(
      'unsupported',
      `lowerdir runs guests on x86-64 and aarch64 machines; this one is ${arch}.`,
    )
  }
  return found
}
