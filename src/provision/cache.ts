import { homedir } from 'node:os'
import { isAbsolute, join } from 'node:path'

/**
 * The folder that fetched things are kept in: `$LOWERDIR_CACHE`, else `$XDG_CACHE_HOME/lowerdir`,
 * else `~/.cache/lowerdir`. It may not exist yet.
 *
 *     qemu/<version>/      an unpacked QEMU with all libraries it needs
 *     busybox/<version>/   a static busybox
 *     kernels/<release>/   a guest kernel and its modules
 *     roots/<suite>-<key>/ an installed Debian system with systemd, and what it is made of
 *     tesseract/<version>/ an unpacked tesseract, with English
 *     partial/             what is being fetched right now
 */
export function cacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  const own = env['LOWERDIR_CACHE']
  if (own) return own
  // The XDG specification has a relative path ignored.
  const xdg = env['XDG_CACHE_HOME']
  if (xdg && isAbsolute(xdg)) return join(xdg, 'lowerdir')
  return join(env['HOME'] || homedir(), '.cache', 'lowerdir')
}
