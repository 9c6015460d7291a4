import { truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { type DiskImage, diskId } from './devices/disk.ts'
import { createPrivate } from './private-file.ts'
import type { Qmp } from './qmp.ts'

/** What QEMU's query-block says of a device: the fields that are read here. */
interface BlockDevice {
  readonly device: string
  readonly inserted?: {
    readonly 'node-name'?: string
    readonly image: { readonly 'virtual-size': number }
  }
}

/**
 * Copies the writable disks of a stopped machine to sparse raw images in `folder`, for this user alone. QEMU copies, since only QEMU knows the
 * content of an overlay of its own.
 *
 * @returns the images for a machine that goes on from the snapshot. Such a machine does not write to the copies.
 * @throws Error with QEMU's message.
 */
export async function saveDisks(
  qmp: Qmp,
  images: readonly DiskImage[],
  folder: string,
): Promise<readonly DiskImage[]> {
  const saved: DiskImage[] = []
  for (const [index, image] of images.entries()) {
    if (image.readOnly) {
      saved.push(image)
      continue
    }
    const file = join(folder, diskId(index))
    await copy(qmp, diskId(index), file)
    saved.push({ file, format: 'raw', readOnly: false, untouched: true })
  }
  return saved
}

async function copy(qmp: Qmp, disk: string, file: string): Promise<void> {
  await createPrivate(file)
  await truncate(file, await sizeOf(qmp, disk))
  const target = `save-${disk}`
  await qmp.execute('blockdev-add', {
    driver: 'raw',
    'node-name': target,
    'detect-zeroes': 'unmap',
    discard: 'unmap',
    file: { driver: 'file', filename: file, discard: 'unmap' },
  })
  try {
    await backup(qmp, disk, target)
  } finally {
    await qmp.execute('blockdev-del', { 'node-name': target })
  }
}

async function backup(qmp: Qmp, disk: string, target: string): Promise<void> {
  const done = new AbortController()
  try {
    const over = qmp.next(
      ({ event, data }) => event === 'BLOCK_JOB_COMPLETED' && data?.['device'] === target,
      done.signal,
    )
    await qmp.execute('blockdev-backup', { 'job-id': target, device: disk, target, sync: 'full' })
    const { error } = (await over).data as { readonly error?: string }
    if (error !== undefined) throw new Error(`QEMU could not copy ${disk}: ${error}.`)
  } finally {
    done.abort()
  }
}

async function sizeOf(qmp: Qmp, disk: string): Promise<number> {
  const devices = (await qmp.execute('query-block')) as readonly BlockDevice[]
  const found = devices.find(
    ({ device, inserted }) => device === disk || inserted?.['node-name'] === disk,
  )
  const size = found?.inserted?.image['virtual-size']
  if (size === undefined) throw new Error(`QEMU does not know the disk ${disk}.`)
  return size
}
