import { mkdirSync } from 'node:fs'
import { AT_FDCWD, O_CLOEXEC, O_DIRECTORY, O_RDONLY } from '../sys/constants.ts'
import { discard, openat } from '../sys/files.ts'
import { lockWhole } from '../sys/locks.ts'
import { messageOf } from '../util/error.ts'
import { fromText } from '../util/text.ts'
import { OptionError } from './failure.ts'
import type { Resources } from './resources.ts'

/**
 * Makes the directory of an upper layer where there is none, and keeps other machines out of it until `resources` are closed:
 * two overlayfs in one upper directory would make nonsense of each other's files.
 *
 * @throws OptionError when another machine has it, or it can be neither opened nor made.
 */
export function takeUpperDirectory(directory: string, resources: Resources): void {
  let fd: number
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    fd = openat(AT_FDCWD, fromText(directory), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
  } catch (error) {
    const reason = messageOf(error)
    throw new OptionError(`upper: ${directory} can be neither opened nor made: ${reason}.`)
  }
  resources.defer(() => discard(fd))
  if (!lockWhole(fd)) throw new OptionError(`upper: another machine uses ${directory} now.`)
}
