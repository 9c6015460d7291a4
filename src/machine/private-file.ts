import { open, rm } from 'node:fs/promises'

/**
 * Makes an empty file that only this user can read and write, whatever the umask, for another program to fill. What has the
 * name is removed: it could be a symbolic link, or a file that others have opened.
 *
 * @throws Node's error of open(2).
 */
export async function createPrivate(file: string): Promise<void> {
  await rm(file, { force: true })
  await using handle = await open(file, 'wx', 0o600)
  await handle.chmod(0o600)
}
