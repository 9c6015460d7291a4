import { createHash } from 'node:crypto'
import { quote } from '../util/shell.ts'

/**
 * Units of systemd that have nothing to do in a guest whose root is a directory of the host: they look after disks,
 * firmware and logins at the console, or they are timers that work on the host's packages. Without them an emulated guest
 * boots in two thirds of the time.
 */
export const MASKED_UNITS: readonly string[] = [
  'modprobe@.service',
  'systemd-modules-load.service',
  'systemd-remount-fs.service',
  'systemd-journal-flush.service',
  'systemd-random-seed.service',
  'systemd-update-utmp.service',
  'systemd-update-utmp-runlevel.service',
  'systemd-pcrphase.service',
  'systemd-pcrphase-sysinit.service',
  'systemd-pcrmachine.service',
  'systemd-tpm2-setup.service',
  'systemd-tpm2-setup-early.service',
  'systemd-firstboot.service',
  'systemd-machine-id-commit.service',
  'systemd-repart.service',
  'systemd-pstore.service',
  'systemd-binfmt.service',
  'proc-sys-fs-binfmt_misc.automount',
  'sys-kernel-debug.mount',
  'sys-kernel-tracing.mount',
  'sys-kernel-config.mount',
  'sys-fs-fuse-connections.mount',
  'dev-hugepages.mount',
  'getty-static.service',
  'systemd-ask-password-console.path',
  'systemd-ask-password-wall.path',
  'apt-daily.timer',
  'apt-daily-upgrade.timer',
  'dpkg-db-backup.timer',
  'fstrim.timer',
  'e2scrub_all.timer',
  'e2scrub_reap.service',
  'man-db.timer',
  'logrotate.timer',
  'systemd-hwdb-update.service',
  'systemd-udev-settle.service',
  'systemd-networkd-wait-online.service',
  'NetworkManager-wait-online.service',
]

/**
 * Generators (systemd.generator(7)) that look for hardware and files that such a guest does not have. They include those
 * of /etc/fstab and /etc/crypttab: the root may be the host's own, and the guest does not have the host's disks.
 */
const MASKED_GENERATORS = [
  'bless-boot',
  'cryptsetup',
  'factory-reset',
  'fstab',
  'getty',
  'gpt-auto',
  'hibernate-resume',
  'import',
  'integritysetup',
  'rc-local',
  'run',
  'ssh',
  'system-update',
  'tpm2',
  'veritysetup',
].map((name) => `systemd-${name}-generator`)

/**
 * Shell commands for the guest's init that mask units, and the generators, in the root's /run: settings there last until
 * the next boot, and nothing of the root is changed.
 */
export function maskLines(units: readonly string[]): string {
  if (units.length === 0) return ''
  return `mkdir -p run/systemd/system run/systemd/system-generators
for unit in ${units.map(quote).join(' ')}; do ln -s /dev/null "run/systemd/system/$unit"; done
for generator in ${MASKED_GENERATORS.join(' ')}; do
  ln -s /dev/null "run/systemd/system-generators/$generator"
done
`
}

/** The machine's id (machine-id(5)). Each machine has its own, also where several have the same root. */
function machineId(hostname: string): string {
  return createHash('sha256').update(`lowerdir machine ${hostname}`).digest('hex').slice(0, 32)
}

/** Shell commands for the guest's init, in the root's directory: systemd finds the id there and need not write it. */
export function machineIdLines(hostname: string): string {
  return `[ ! -d etc ] || echo ${machineId(hostname)} >etc/machine-id\n`
}

/**
 * Arguments on the kernel's command line that systemd reads (kernel-command-line(7), systemd(1)): the machine's name and id,
 * and that this is neither a first boot nor one after an update, where systemd asks questions and rebuilds caches.
 */
export function systemdArguments(hostname: string): string[] {
  return [
    `systemd.hostname=${hostname}`,
    `systemd.machine_id=${machineId(hostname)}`,
    'systemd.condition_needs_update=no',
    'systemd.condition_first_boot=no',
  ]
}
