/** What a file's time of birth proves, by file system (magic numbers of include/uapi/linux/magic.h). */
const kinds = new Map<number, 'kept' | 'of its layer'>([
  [0xef53, 'kept'], // ext4
  [0x58465342, 'kept'], // xfs
  [0x9123683e, 'kept'], // btrfs
  [0xf2f52010, 'kept'], // f2fs
  [0x01021994, 'kept'], // tmpfs
  // Overlayfs shows that of the file in the layer, so it changes once, when the file is copied up.
  [0x794c7630, 'of its layer'],
])

/**
 * How old a file must be before its time of birth tells it from a later file with the same inode number, in milliseconds.
 * File systems take the time of the last timer tick (ktime_get_coarse_real_ts64), at most 10 ms ago, so files that are made
 * within one tick are born at the same time.
 */
const OLD_ENOUGH = 100

/** What is asked of a file: see Stat. */
interface Born {
  readonly dev: number
  readonly birth: number
  readonly bornAt: number
}

/**
 * Says whether a file's inode number and time of birth identify it. Inode numbers are used again, on ext4 at once. Where the
 * time of birth does not tell the two files apart, only a descriptor does, which keeps the inode, or a file handle.
 */
export class Births {
  readonly #now: () => number
  readonly #byDevice = new Map<number, 'kept' | 'of its layer'>()

  /** @param now the host's clock in milliseconds, the one that file systems use. */
  constructor(now: () => number) {
    this.#now = now
  }

  /** @param type statfs(2)'s f_type of the file system on `device`. */
  learn(device: number, type: number): void {
    const kind = kinds.get(type)
    // The number may have belonged to another file system before.
    if (kind === undefined) this.#byDevice.delete(device)
    else this.#byDevice.set(device, kind)
  }

  /** A saved file of `device` was {@link identify identified} by its birth. */
  learnSaved(device: number): void {
    this.#byDevice.set(device, 'kept')
  }

  /** Whether no other file will ever have this file's inode number and time of birth. */
  identify(file: Born): boolean {
    return this.#byDevice.get(file.dev) === 'kept' && this.#isOld(file)
  }

  /**
   * As {@link identify}, for a file that cannot be identified otherwise. Where this is true and {@link identify} is not, the
   * same file may have another time of birth later.
   */
  tellApart(file: Born): boolean {
    return this.#byDevice.has(file.dev) && this.#isOld(file)
  }

  #isOld({ birth, bornAt }: Born): boolean {
    // A clock that was set back makes a file look as if it was not born yet.
    return birth !== 0 && bornAt <= this.#now() - OLD_ENOUGH
  }
}
