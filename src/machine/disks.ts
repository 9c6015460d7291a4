import { type FileHandle, open } from 'node:fs/promises'
import type { UpperDevice } from '../guest/upper.ts'
import type { DiskOptions, MachineOptions } from './plan.ts'
import type { RuntimeFolder } from './runtime-folder.ts'

/** A disk's image as QEMU gets it. */
export interface DiskImage {
  readonly file: string
  readonly format: 'raw' | 'qcow2'
  readonly readOnly: boolean
  /** What is written goes elsewhere, and is gone with QEMU. */
  readonly untouched?: boolean
}

/** How much of a disk is looked at in one piece, in bytes. */
const PIECE = 1 << 20

/**
 * The images of a machine's disks, in the order of their devices: that of the upper layer first. Those that are to be
 * made are sparse; those that last no longer than the machine are in its folder.
 *
 * @throws Error when one cannot be made.
 */
export async function prepareDisks(
  { upper, disks }: Pick<MachineOptions, 'upper' | 'disks'>,
  folder: RuntimeFolder,
): Promise<{ readonly images: readonly DiskImage[]; readonly upper: UpperDevice | null }> {
  const images: DiskImage[] = []
  let device: UpperDevice | null = null
  if (upper !== null) {
    const isEmpty = await prepareUpper(upper)
    device = { device: '/dev/vda', file: upper.file, isEmpty }
    images.push({ file: upper.file, format: 'raw', readOnly: false })
  }
  for (const disk of disks) images.push(await imageOf(disk, folder, images.length))
  return { images, upper: device }
}

async function imageOf(
  disk: DiskOptions,
  folder: RuntimeFolder,
  index: number,
): Promise<DiskImage> {
  if ('file' in disk) return disk
  const file = folder.file(`disk${index}.img`)
  await using image = await open(file, 'wx', 0o600)
  await image.truncate(disk.sizeMiB * 2 ** 20)
  return { file, format: 'raw', readOnly: false }
}

/** Makes the image where there is none. @returns whether there is nothing on it. */
async function prepareUpper({
  file,
  sizeMiB,
}: NonNullable<MachineOptions['upper']>): Promise<boolean> {
  try {
    // Appended to, since what is there stays.
    await using image = await open(file, 'a+', 0o600)
    const { size, blocks } = await image.stat()
    if (size === 0) await image.truncate(sizeMiB * 2 ** 20)
    return blocks === 0 || (await isZero(image))
  } catch (error) {
    const reason = (error as Error).message
    throw new Error(`The disk ${file} can be neither opened nor made: ${reason}`, { cause: error })
  }
}

async function isZero(image: FileHandle): Promise<boolean> {
  const [piece, zero] = [Buffer.alloc(PIECE), Buffer.alloc(PIECE)]
  for (let position = 0; ;) {
    const { bytesRead } = await image.read(piece, 0, PIECE, position)
    if (bytesRead === 0) return true
    if (piece.compare(zero, 0, bytesRead, 0, bytesRead) !== 0) return false
    position += bytesRead
  }
}
