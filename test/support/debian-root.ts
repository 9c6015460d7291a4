import { type Root, fetchRoot } from '../../src/provision/root/root.ts'

/**
 * A Debian root with systemd, which nobody may write to. It is made when the first test asks for it, and kept with
 * what else is fetched.
 */
export async function debianRoot(
  suite = 'bookworm',
  include: readonly string[] = [],
): Promise<Root> {
  return fetchRoot({ suite, include })
}
