import { homedir } from 'node:os'
import { isAbsolute, join } from 'node:path'

/**
 * The folder that keeps what was fetched: `$LOWERDIR_CACHE`, else `$XDG_CACHE_HOME/lowerdir`,
 * else `~/.cache/lowerdir`. It may not exist yet.
 *
 *     qemu/<version>/      an unpacked QEMU with all libraries it needs
 *     busybox/<version>/   a static busybox
 *     kernels/<release>/   a guest kernel and its modules
 *     roots/<suite>-<key>/ an installed Debian system with systemd, and its manifest
 *     tesseract/<version>/ an unpacked tesseract, with English
 *     partial/             folders that are being filled
 */
export function cacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  const own = env['LOWERDIR_CACHE']
  if (own) return own
  // The XDG base directory specification says that a relative path is to be ignored.
  const xdg = env['XDG_CACHE_HOME']
  if (xdg && isAbsolute(xdg)) return join(xdg, 'lowerdir')
  return join(env['HOME'] || homedir(), '.cache', 'lowerdir')
}
