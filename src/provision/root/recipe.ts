import { createHash } from 'node:crypto'

/** Which root to make. */
export interface RootRequest {
  /** The Debian suite: "bookworm", "sid", … */
  readonly suite: string
  /** Packages in addition to the recipe's own. */
  readonly include: readonly string[]
}

/** Increase it with every change to what the same request makes, so that older roots are not used any more. */
const RECIPE = 1

/**
 * The packages that every root has in addition to Debian's essential ones: systemd with user sessions and their
 * D-Bus, and the small tools with which a test examines a system. Not udev: a guest's devices are known, and udev
 * takes an emulated guest five seconds of each boot. Not ifupdown: the network is set up before systemd starts.
 */
const SEED = [
  'systemd-sysv',
  'dbus',
  'dbus-user-session',
  'libpam-systemd',
  'login',
  'passwd',
  // systemd loads its library at run time, and one of its units fails without it.
  'kmod',
  'iproute2',
  'iputils-ping',
  'netbase',
  'procps',
]

/**
 * apt's pattern for the essential packages, and the package that says that /usr is merged: Debian 12 would otherwise
 * install one that merges /usr and depends on all of perl.
 */
export const ESSENTIAL = ['?essential', 'usr-is-merged']

/** All packages to ask apt for; it adds what they depend on. */
export function requestedPackages({ include }: RootRequest): string[] {
  return [...new Set([...ESSENTIAL, ...SEED, ...include])]
}

/** The folder's name for roots that are made from the same request by the same recipe. */
export function rootKey({ suite, include }: RootRequest): string {
  const ingredients = JSON.stringify([
    RECIPE,
    process.arch,
    suite,
    [...new Set(include)].toSorted(),
  ])
  return `${suite}-${createHash('sha256').update(ingredients).digest('hex').slice(0, 12)}`
}

/** Files that control the packages' scripts during the installation; the finished root does not have them. */
export const SCAFFOLD: Readonly<Record<string, string>> = {
  // invoke-rc.d(8) and deb-systemd-invoke(1) start no service when it exits with 101.
  'usr/sbin/policy-rc.d': '#!/bin/sh\nexit 101\n',
}

/** Files that are written before the first package is unpacked. */
export const FOUNDATION: Readonly<Record<string, string>> = {
  'var/lib/dpkg/status': '',
  'var/lib/dpkg/available': '',
  // systemd fills an empty one in at each boot, and does not treat that as a first boot (machine-id(5)).
  'etc/machine-id': '',
  'etc/fstab': '',
  'etc/resolv.conf': '',
  'etc/hosts': '127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n',
  // Excludes documentation except the licences. Some packages' scripts need the folders of man pages.
  'etc/dpkg/dpkg.cfg.d/lowerdir': `path-exclude=/usr/share/doc/*
path-include=/usr/share/doc/*/copyright
path-exclude=/usr/share/man/*
path-include=/usr/share/man/man[1-9]
path-exclude=/usr/share/info/*
path-exclude=/usr/share/locale/*
path-include=/usr/share/locale/locale.alias
`,
  // A guest's writes end with the guest, so its journal can be in /run from the start.
  'etc/systemd/journald.conf.d/lowerdir.conf': '[Journal]\nStorage=volatile\n',
}

/** Files of the essential packages that tar leaves out: the same that dpkg excludes above. */
export const UNPACK_EXCLUDES = [
  './usr/share/doc/*',
  './usr/share/man/*/*',
  './usr/share/info/*',
  './usr/share/locale/*',
]

/**
 * Files that installing leaves behind and that are of no use, or make two roots of the same packages differ. A path
 * that ends with / is a folder to empty and keep.
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
  // A copy of /etc/machine-id, which D-Bus reads where this one is missing.
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
