import type { Arch } from './board.ts'
import { type Device, value } from './device.ts'

/**
 * A graphics card, and with it the virtual terminals. The kernel's messages go to the first of them as well; /dev/console
 * is the last `console=`, so this part comes before the serial console.
 */
export function screen(arch: Arch): Device {
  return {
    device: ['-device', arch === 'arm64' ? 'virtio-gpu-pci' : 'VGA'],
    kernel: ['console=tty0'],
  }
}

/** The kernel's console: a serial port whose other end is QEMU's standard input and output. */
export function serialConsole(arch: Arch): Device {
  return {
    backend: ['-chardev', 'stdio,id=console,signal=off', '-serial', 'chardev:console'],
    kernel: [`console=${arch === 'arm64' ? 'ttyAMA0' : 'ttyS0'}`],
  }
}

/** QEMU's monitor. @param socket a unix socket that listens for it. */
export function monitor(socket: string): Device {
  return { backend: ['-chardev', `socket,id=qmp,path=${value(socket)}`, '-qmp', 'chardev:qmp'] }
}

/** The guest's terminal, hvc0. @param socket a unix socket that listens for it. */
export function terminal(socket: string): Device {
  return {
    device: [
      '-device',
      'virtio-serial-pci',
      '-chardev',
      `socket,id=terminal,path=${value(socket)}`,
      '-device',
      'virtconsole,chardev=terminal',
    ],
    modules: ['virtio_console'],
  }
}
