import type { UpperDisk } from '../../guest/upper.ts'
import { type Device, value } from './device.ts'

/** A disk's image as QEMU gets it. */
export interface DiskImage {
  readonly file: string
  readonly format: 'raw' | 'qcow2'
  readonly readOnly: boolean
  /** The image stays as it is: what the guest writes goes to a temporary overlay of QEMU's. */
  readonly untouched?: boolean
}

/** QEMU's name for a disk, as its monitor knows it. */
export function diskId(index: number): string {
  return `disk${index}`
}

/**
 * A disk. Its format is stated: QEMU would otherwise guess it from the content, and a guest can write the header of another
 * format on a raw disk.
 *
 * @param upper what the init script knows of the disk that the upper layer is on.
 */
export function disk(image: DiskImage, index: number, upper?: UpperDisk): Device {
  const id = diskId(index)
  const device = [...blockDevice(image, id), '-device', `virtio-blk-pci,drive=${id}`]
  if (upper === undefined) return { device, modules: ['virtio_blk'] }
  return { device, modules: ['virtio_blk', 'ext4'], init: { upper } }
}

function blockDevice({ file, format, readOnly, untouched }: DiskImage, id: string): string[] {
  if (untouched === true) {
    // `snapshot=on` is the one way in which QEMU makes an overlay by itself.
    return ['-drive', `if=none,id=${id},file=${value(file)},format=${format},snapshot=on`]
  }
  const image = `file.driver=file,file.filename=${value(file)}`
  return [
    '-blockdev',
    `driver=${format},node-name=${id},read-only=${readOnly ? 'on' : 'off'},${image}`,
  ]
}
