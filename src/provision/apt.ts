import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isSystemError } from '../util/error.ts'
import { type ProgramOptions, runProgram } from '../util/program.ts'
import { exists } from './lookup.ts'
import { ProvisionError, diskFull } from './provision-error.ts'
import type { Source } from './mirror.ts'

/** Where Debian's package `debian-archive-keyring` keeps the keys that sign the archive. */
const KEYRINGS = [
  '/usr/share/keyrings/debian-archive-keyring.gpg',
  '/usr/share/keyrings/debian-archive-keyring.pgp',
]

const NO_APT =
  "lowerdir fetches Debian's packages with apt, and apt is not installed on this machine. " +
  'Install QEMU (qemu-system-x86), a static busybox (busybox-static) and a kernel yourself, ' +
  'and name them with LOWERDIR_QEMU, LOWERDIR_BUSYBOX and LOWERDIR_KERNEL.'

const NO_KEYRING =
  "Debian's archive keys are not on this machine, so downloads cannot be verified. " +
  'Install the package debian-archive-keyring; or install QEMU, busybox-static and a kernel ' +
  'yourself, and name them with LOWERDIR_QEMU, LOWERDIR_BUSYBOX and LOWERDIR_KERNEL.'

/**
 * Writes an apt configuration into `folder` that knows only `sources` and an empty list of installed
 * packages, so that apt resolves every dependency and runs without root. apt still reads the machine's own
 * settings for proxies and logins, and ignores the machine's sources, pins and hooks.
 *
 * @returns The configuration file, for apt's `-c`.
 */
export async function writeAptConfiguration(
  folder: string,
  sources: readonly Source[],
  architecture: string,
): Promise<string> {
  const keyring = await findKeyring()
  await mkdir(join(folder, 'lists', 'partial'), { recursive: true })
  await mkdir(join(folder, 'archives', 'partial'), { recursive: true })
  await writeFile(join(folder, 'status'), '')
  const options = `arch=${architecture} target=Packages signed-by=${keyring}`
  await writeFile(
    join(folder, 'sources.list'),
    sources.map(({ uri, suite }) => `deb [${options}] ${uri} ${suite} main\n`).join(''),
  )
  const configuration = join(folder, 'apt.conf')
  await writeFile(configuration, settings(folder, architecture))
  return configuration
}

function settings(folder: string, architecture: string): string {
  return `
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear APT::Default-Release;
#clear DPkg::Options;
#clear DPkg::Pre-Invoke;
#clear DPkg::Post-Invoke;
#clear DPkg::Pre-Install-Pkgs;
#clear APT::Architectures;
APT::Architecture "${architecture}";
APT::Architectures:: "${architecture}";
APT::Sandbox::User "root";
APT::Update::Error-Mode "any";
APT::Get::AllowUnauthenticated "false";
Acquire::AllowInsecureRepositories "false";
Acquire::AllowWeakRepositories "false";
Acquire::Languages "none";
Acquire::Retries "3";
Acquire::http::Timeout "30";
Acquire::https::Timeout "30";
Dir::Etc::sourcelist "${folder}/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::State "${folder}";
Dir::State::lists "${folder}/lists";
Dir::State::status "${folder}/status";
Dir::State::extended_states "${folder}/extended_states";
Dir::Cache "${folder}";
Dir::Cache::archives "${folder}/archives";
Dir::Cache::pkgcache "pkgcache.bin";
Dir::Cache::srcpkgcache "srcpkgcache.bin";
Dir::Log "${folder}";
`
}

async function findKeyring(): Promise<string> {
  for (const keyring of KEYRINGS) {
    if (await exists(keyring)) return keyring
  }
  throw new ProvisionError('no-keyring', NO_KEYRING)
}

/**
 * Runs one of apt's programs.
 *
 * @returns What it printed.
 * @throws ProvisionError with the reason why it failed.
 */
export async function runApt(
  program: 'apt-get' | 'apt-cache',
  args: readonly string[],
  options?: ProgramOptions,
): Promise<string> {
  let result
  try {
    result = await runProgram(program, args, options)
  } catch (error) {
    if (!isSystemError(error, 'ENOENT')) throw error
    throw new ProvisionError('no-apt', NO_APT, { cause: error })
  }
  if (result.status !== 0) throw explainApt(program, result.stderr)
  return result.stdout
}

/**
 * What apt says of a file that is not the one in the signed index: apt-pkg/acquire-item.cc ("Hash Sum mismatch", "File has
 * unexpected size"), and apt-pkg/deb/debmetaindex.cc for an index without a hash that is good enough. All of it stands behind
 * "Failed to fetch", as a mirror out of reach does.
 */
const CHANGED = /Hash Sum mismatch|has unexpected size|strong enough for security purposes/

/** What apt says of an index without a valid signature, also of one that was no index, as a login page. */
const UNSIGNED =
  /NO_PUBKEY|BADSIG|is not signed|not be verified|Clearsigned file isn't valid|signatures? (?:were|was|couldn)|could(?:n't| not) be authenticated|unauthenticated packages/

/** The reason for a failure of apt, found in what apt wrote. */
export function explainApt(program: string, complaints: string): ProvisionError {
  const lines = complaints.split('\n').filter((line) => /^[EW]:/.test(line))
  const cause = new Error(complaints.trim())
  const first = lines.find((line) => line.startsWith('E:')) ?? lines[0] ?? complaints.trim()
  const reason = first.replace(/^[EW]: */, '').trim()
  const because = (code: ConstructorParameters<typeof ProvisionError>[0], text: string) =>
    new ProvisionError(code, text, { cause })

  const unknown =
    /Unable to locate package (\S+)|Package '?(\S+?)'? has no installation candidate|No packages found/.exec(
      complaints,
    )
  if (unknown) {
    const name = unknown[1] ?? unknown[2] ?? 'of that name'
    return because('unknown-package', `The Debian mirror has no package ${name}.`)
  }
  if (/No space left|don't have enough free space|Disk quota exceeded/.test(complaints)) {
    return because('disk-full', diskFull('the cache folder'))
  }
  if (CHANGED.test(complaints)) {
    return because(
      'untrusted',
      `The Debian mirror sent something else than Debian's signed index promises, so it is not used (${reason}). ` +
        'The mirror or a proxy may be broken or in the middle of an update, or somebody may have changed the file on its ' +
        'way. Try again later, or configure apt for another mirror.',
    )
  }
  if (/does not have a Release file|404 +Not Found/.test(complaints)) {
    return because(
      'no-suite',
      `The Debian mirror does not have this suite (${reason}). ` +
        'Check its name: Debian has bookworm, trixie, sid, stable and others.',
    )
  }
  if (UNSIGNED.test(complaints)) {
    return because(
      'untrusted',
      "The Debian mirror sent an index that is not signed by Debian's archive keys, so it is not used " +
        `(${reason}). Update the package debian-archive-keyring: a newer one may have the key. If this network has a ` +
        'login page, log in first.',
    )
  }
  if (/Release file for .* is (?:expired|not valid yet)/.test(complaints)) {
    return because(
      'untrusted',
      `The Debian mirror sent an index of another time, so it is not used (${reason}). ` +
        "Check this machine's clock; if it is right, the mirror is not updated any more: configure apt for another one.",
    )
  }
  if (/resolv|connect|unreachable|timed out|Failed to fetch|proxy/i.test(complaints)) {
    return because(
      'no-network',
      `The Debian mirror cannot be reached (${reason}). ` +
        'Check the network, and the proxy if apt is configured to use one.',
    )
  }
  return because('failed', `${program} failed: ${reason}`)
}
