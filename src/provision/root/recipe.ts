import { createHash } from 'node:crypto'

/** Which root to make. */
export interface RootRequest {
  /** The Debian suite that it is of: "bookworm", "sid", … */
  readonly suite: string
  /** Packages beside the recipe's own. */
  readonly include: readonly string[]
}

/** Changes with every change to what the same request makes, so that no older root is taken for a new one. */
const RECIPE = 1

/**
 * What every root has, beside what Debian calls essential: systemd with sessions and a bus for users as well, and
 * the small tools that a test asks a system with. There is no udev: a guest's devices are known, and to look for
 * them takes an emulated guest five seconds of each boot. There is no ifupdown either: the network is set up
 * before systemd starts.
 */
const SEED = [
  'systemd-sysv',
  'dbus',
  'dbus-user-session',
  'libpam-systemd',
  'login',
  'passwd',
  // systemd opens its library by itself, and one of its units fails without.
  'kmod',
  'iproute2',
  'iputils-ping',
  'netbase',
  'procps',
]

/**
 * apt's pattern for what no Debian system can be without; and a package that says that /usr is merged, where Debian 12
 * would have it done by another, which takes all of perl.
 */
export const ESSENTIAL = ['?essential', 'usr-is-merged']

/** All packages to ask apt for; it adds what they depend on. */
export function requestedPackages({ include }: RootRequest): string[] {
  return [...new Set([...ESSENTIAL, ...SEED, ...include])]
}

/** A name for all roots that are made from the same request by the same recipe, as a folder's. */
export function rootKey({ suite, include }: RootRequest): string {
  const ingredients = JSON.stringify([
    RECIPE,
    process.arch,
    suite,
    [...new Set(include)].toSorted(),
  ])
  return `${suite}-${createHash('sha256').update(ingredients).digest('hex').slice(0, 12)}`
}

/** Files that lead packages' scripts while they run, and are gone from the finished root. */
export const SCAFFOLD: Readonly<Record<string, string>> = {
  // invoke-rc.d(8) and deb-systemd-invoke(1) ask it whether they may start a service: 101 is no.
  'usr/sbin/policy-rc.d': '#!/bin/sh\nexit 101\n',
}

/** Files that are there before the first package is. */
export const FOUNDATION: Readonly<Record<string, string>> = {
  'var/lib/dpkg/status': '',
  'var/lib/dpkg/available': '',
  // An empty one is filled in at each boot, and does not make it a first boot (machine-id(5)).
  'etc/machine-id': '',
  'etc/fstab': '',
  'etc/resolv.conf': '',
  'etc/hosts': '127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n',
  // Documentation but for the licences, which must come along. Some packages' scripts need the folders of man pages.
  'etc/dpkg/dpkg.cfg.d/lowerdir': `path-exclude=/usr/share/doc/*
path-include=/usr/share/doc/*/copyright
path-exclude=/usr/share/man/*
path-include=/usr/share/man/man[1-9]
path-exclude=/usr/share/info/*
path-exclude=/usr/share/locale/*
path-include=/usr/share/locale/locale.alias
`,
  // A guest's writes are gone with the guest, so its journal may as well be in /run from the start.
  'etc/systemd/journald.conf.d/lowerdir.conf': '[Journal]\nStorage=volatile\n',
}

/** What tar leaves out of the essential packages, in step with dpkg's own exclusions above. */
export const UNPACK_EXCLUDES = [
  './usr/share/doc/*',
  './usr/share/man/*/*',
  './usr/share/info/*',
  './usr/share/locale/*',
]

/**
 * What installing leaves behind that is of no use, or would make two roots of the same packages differ. Folders
 * that end with / are emptied and stay.
 */
export const LEAVINGS = [
  'etc/hostname',
  'etc/.pwd.lock',
  'run/',
  'tmp/',
  'var/cache/lowerdir',
  'var/cache/debconf/config.dat-old',
  'var/cache/debconf/templates.dat-old',
  'var/cache/ldconfig/aux-cache',
  // A second one beside /etc/machine-id, which takes its place where it is missing.
  'var/lib/dbus/machine-id',
  'var/lib/dpkg/available-old',
  'var/lib/dpkg/diversions-old',
  'var/lib/dpkg/status-old',
  'var/lib/dpkg/statoverride-old',
  'var/lib/systemd/random-seed',
  'var/log/alternatives.log',
  'var/log/apt/',
  'var/log/bootstrap.log',
  'var/log/dpkg.log',
  'var/log/fontconfig.log',
  'var/log/journal',
  'var/tmp/',
  ...['passwd', 'group', 'shadow', 'gshadow', 'subuid', 'subgid'].map((name) => `etc/${name}-`),
]
