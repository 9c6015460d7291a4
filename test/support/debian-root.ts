import { type Root, fetchRoot } from '../../src/provision/root/root.ts'

/**
 * A Debian root with systemd. Tests must not write to it. It is made when the first test asks for it, and kept in
 * the cache.
 */
export async function debianRoot(
  suite = 'bookworm',
  include: readonly string[] = [],
): Promise<Root> {
  return fetchRoot({ suite, include })
}
