import type { Host } from './host.ts'

/** Debian's public mirror, used if the machine's apt is not configured to use another. */
const PUBLIC_MIRROR = 'http://deb.debian.org/debian'

/** Mirrors that apt can use without this machine's installation media. Debian's cloud images name theirs in a file. */
const USABLE = /^(?:mirror\+)?(?:https?|ftp|file|copy):/

/** The format to ask `apt-get indextargets` for; {@link parseTargets} reads it. */
export const TARGET_FORMAT = '$(ORIGIN)|$(LABEL)|$(REPO_URI)|$(RELEASE)|$(COMPONENT)'

/** One package index that the machine's apt is configured to use. */
export interface Target {
  /** `Debian`, or empty if the index has never been fetched. */
  readonly origin: string
  readonly label: string
  readonly uri: string
  /** The suite as the machine's source list names it. */
  readonly suite: string
  readonly component: string
}

/** A repository and one of its suites: what one line of a source list names. */
export interface Source {
  readonly uri: string
  readonly suite: string
}

/** Parses the lines of `apt-get indextargets --format TARGET_FORMAT`. */
export function parseTargets(text: string): Target[] {
  return text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => {
      // apt leaves a variable that has no value as it is.
      const fields = line.split('|').map((field) => (field.startsWith('$(') ? '' : field))
      const [origin = '', label = '', uri = '', suite = '', component = ''] = fields
      return { origin, label, uri, suite, component }
    })
}

/**
 * The sources to fetch `suite` from: the suite on the mirror that the machine's apt uses, and the suite's
 * updates and security fixes if the machine's apt uses those.
 */
export function chooseSources(suite: string, targets: readonly Target[], host: Host): Source[] {
  const sources = [{ uri: findMirror(targets, host) ?? PUBLIC_MIRROR, suite }]
  for (const { uri, suite: name } of debianTargets(targets, host)) {
    if (name !== `${suite}-updates` && name !== `${suite}-security`) continue
    // apt lists a source once for each architecture.
    if (!sources.some((each) => each.uri === uri && each.suite === name))
      sources.push({ uri, suite: name })
  }
  return sources
}

/** The mirror of Debian that the machine's apt is configured to use; undefined where it is not configured for any. */
export function findMirror(targets: readonly Target[], host: Host): string | undefined {
  const found = debianTargets(targets, host).filter((target) => !isSecurity(target))
  const fetched = found.find(({ origin }) => origin === 'Debian')
  // Before an index has been fetched, a third party may look like Debian. Mirrors of Debian are called so.
  const named = found.find(({ uri }) => /\/debian\/*$/.test(uri))
  return (fetched ?? named ?? found[0])?.uri
}

/** A mirror for people to read, without a password. */
export function shownMirror(uri: string): string {
  return uri.replace(/^(\w+:\/\/)[^/@]*@/, '$1')
}

function debianTargets(targets: readonly Target[], host: Host): readonly Target[] {
  return targets.filter(
    ({ origin, suite, uri, component }) =>
      component === 'main' &&
      USABLE.test(uri) &&
      // Before an index has been fetched, only the suite's name tells Debian's from a third party's.
      (origin === 'Debian' ||
        (origin === '' && host.id === 'debian' && isDebianSuite(suite, host))),
  )
}

function isSecurity({ label, suite }: Target): boolean {
  return label === 'Debian-Security' || /-security$|\/updates$/.test(suite)
}

function isDebianSuite(suite: string, { codename }: Host): boolean {
  const base = suite.replace(/-(updates|security)$/, '')
  return [codename, 'stable', 'testing', 'unstable', 'sid', 'oldstable'].includes(base)
}
