import type { Host } from './host.ts'

/** Debian's public mirror, used if the machine's apt is not configured to use another. */
const PUBLIC_MIRROR = 'http://deb.debian.org/debian'

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
  const usable = targets.filter(
    ({ uri, component }) => component === 'main' && /^(https?|ftp|file|copy):/.test(uri),
  )
  const isSecurity = ({ label, suite: name }: Target): boolean =>
    label === 'Debian-Security' || /-security$|\/updates$/.test(name)
  // Before an index has been fetched, only the suite's name tells Debian's from a third party's.
  const isDebian = ({ origin, suite: name }: Target): boolean =>
    origin === 'Debian' || (origin === '' && host.id === 'debian' && isDebianSuite(name, host))

  const mirror = usable.find((target) => isDebian(target) && !isSecurity(target))
  const sources = [{ uri: mirror?.uri ?? PUBLIC_MIRROR, suite }]
  for (const target of usable) {
    if (target.suite === `${suite}-updates` || target.suite === `${suite}-security`) {
      if (isDebian(target)) sources.push({ uri: target.uri, suite: target.suite })
    }
  }
  return sources
}

function isDebianSuite(suite: string, { codename }: Host): boolean {
  const base = suite.replace(/-(updates|security)$/, '')
  return [codename, 'stable', 'testing', 'unstable', 'sid', 'oldstable'].includes(base)
}
