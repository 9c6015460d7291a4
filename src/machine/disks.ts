import { type FileHandle, open } from 'node:fs/promises'
import type { UpperDisk } from '../guest/upper.ts'
import type { DiskImage } from './devices/disk.ts'
import type { MachinePlan, PlannedDisk, PlannedUpperDisk } from './plan.ts'
import type { RuntimeFolder } from './runtime-folder.ts'

/** How much of a disk is read in one piece, in bytes. */
const PIECE = 1 << 20

/** The disks of a machine, ready for QEMU. */
export interface PreparedDisks {
  /** In the order of their devices: the upper layer's first. */
  readonly images: readonly DiskImage[]
  /** What the init script is told of the upper layer's disk. */
  readonly upper: UpperDisk | null
}

/**
 * Makes the images of a machine's disks that are missing. They are sparse; those of disks that are gone with the machine are
 * in its folder.
 *
 * @throws Error when one cannot be made.
 */
export async function prepareDisks(
  { upper, disks }: Pick<MachinePlan, 'upper' | 'disks'>,
  folder: RuntimeFolder,
): Promise<PreparedDisks> {
  const images: DiskImage[] = []
  let device: UpperDisk | null = null
  if (upper !== null && 'file' in upper) {
    const isEmpty = await prepareUpper(upper)
    device = { device: '/dev/vda', file: upper.file, isEmpty }
    images.push({ file: upper.file, format: 'raw', readOnly: false })
  }
  for (const disk of disks) images.push(await imageOf(disk, folder, images.length))
  return { images, upper: device }
}

async function imageOf(
  disk: PlannedDisk,
  folder: RuntimeFolder,
  index: number,
): Promise<DiskImage> {
  if ('file' in disk) return disk
  const file = folder.file(`disk${index}.img`)
  await using image = await open(file, 'wx', 0o600)
  await image.truncate(disk.sizeMiB * 2 ** 20)
  return { file, format: 'raw', readOnly: false }
}

/** Makes the image where there is none. @returns whether the image is empty. */
async function prepareUpper({ file, sizeMiB }: PlannedUpperDisk): Promise<boolean> {
  try {
    // `a` makes a file that is missing, and leaves the content of one that is there.
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
