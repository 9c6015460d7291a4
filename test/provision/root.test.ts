import { execFileSync } from 'node:child_process'
import { lstatSync, readFileSync, readdirSync } from 'node:fs'
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { Progress } from '../../src/provision/archive.ts'
import { fetchRoot, makeRoot } from '../../src/provision/root/root.ts'
import { debianRoot } from '../support/debian-root.ts'
import { asOrdinaryUser, built } from '../support/ordinary-user.ts'
import { Cli, processesOf } from '../support/vm-cli.ts'
import { temporaryFolder } from './folder.ts'

// These tests fetch a Debian system, 45 MB, from the mirror that this machine's apt uses, and install it.
const MINUTES = 10 * 60_000

/** Every file with all that a guest sees of it but its contents and times. */
function listing(root: string): string[] {
  const format = '%P %y %m %U:%G %s %l\\n'
  const text = execFileSync('find', [
    root,
    '-type',
    'd',
    '-printf',
    format.replace('%s', ''),
    '-o',
    '-printf',
    format,
  ])
  return text.toString().split('\n').toSorted()
}

const text = (root: string, path: string): string => readFileSync(join(root, path), 'utf8')

test(
  'a root is an installed Debian system that was never used',
  async () => {
    const { folder, release, packages } = await debianRoot()
    expect(release).toMatch(/^12\./)
    expect(packages.length).toBeGreaterThan(90)

    const dpkg = (...args: string[]): string =>
      execFileSync('dpkg', [`--root=${folder}`, ...args], { encoding: 'utf8' })
    expect(dpkg('--audit')).toBe('')
    const states = execFileSync(
      'dpkg-query',
      [`--admindir=${folder}/var/lib/dpkg`, '--show', '--showformat=${Status}\n'],
      { encoding: 'utf8' },
    ).trimEnd()
    expect(new Set(states.split('\n'))).toEqual(new Set(['install ok installed']))
    expect(states.split('\n')).toHaveLength(packages.length)

    for (const path of ['etc/machine-id', 'etc/fstab', 'etc/resolv.conf']) {
      expect(text(folder, path)).toBe('')
    }
    expect(text(folder, 'etc/shadow')).toMatch(/^root:\*:/m)
    expect(readdirSync(join(folder, 'etc'))).not.toContain('hostname')
    expect(readdirSync(join(folder, 'etc'))).not.toContain('network')
    expect(readdirSync(join(folder, 'usr/sbin'))).not.toContain('policy-rc.d')
    for (const path of ['dev', 'proc', 'run', 'sys', 'tmp', 'var/lib/apt/lists/partial']) {
      expect(readdirSync(join(folder, path))).toEqual([])
    }
    expect(readdirSync(join(folder, 'var/cache'))).not.toContain('lowerdir')
    expect(lstatSync(join(folder, 'usr/bin/su')).mode & 0o7777).toBe(0o4755)
    expect(lstatSync(join(folder, 'etc/shadow')).gid).not.toBe(0)
    expect(lstatSync(join(folder, 'tmp')).mode & 0o7777).toBe(0o1777)
    expect(readdirSync(join(folder, 'usr/share/doc/bash'))).toEqual(['copyright'])
  },
  MINUTES,
)

test(
  'one that is there already takes no work',
  async () => {
    const first = await debianRoot()
    const seen: Progress[] = []
    const again = await fetchRoot({
      suite: 'bookworm',
      include: [],
      onProgress: (progress) => seen.push(progress),
    })
    expect(again).toEqual(first)
    expect(seen).toEqual([])
  },
  MINUTES,
)

test(
  'one whose maker was killed is never there, and the next attempt makes the same as ever',
  async () => {
    const parent = await temporaryFolder()
    const target = join(parent, 'debian')
    const args = ['root', target, '--suite', 'bookworm']
    {
      await using cli = Cli.start(args)
      await cli.printed('installing')
      await expect.poll(() => processesOf(parent).length, { timeout: 60_000 }).toBeGreaterThan(1)
      cli.child.kill('SIGKILL')
      await cli.ended
    }
    await expect.poll(() => processesOf(parent)).toEqual([])
    expect(readFileSync('/proc/mounts', 'utf8')).not.toContain(parent)
    expect(await readdir(parent)).toEqual(['.debian.lowerdir'])

    await using cli = Cli.start(args)
    const { status, stdout } = await cli.ended
    expect(status).toBe(0)
    expect(stdout.toString()).toMatch(
      /^\S+\/debian is the root of Debian 12\.\d+ \(bookworm\) with \d+ packages\.$/m,
    )
    expect(await readdir(parent)).toEqual(['debian'])
    expect(listing(target)).toEqual(listing((await debianRoot()).folder))
  },
  MINUTES,
)

test(
  'an aborted one leaves nothing',
  async () => {
    const parent = await temporaryFolder()
    const abort = new AbortController()
    const making = makeRoot(join(parent, 'debian'), {
      signal: abort.signal,
      onProgress: ({ phase }) => {
        if (phase === 'install') abort.abort(new Error('enough'))
      },
    })
    await expect(making).rejects.toThrow('enough')
    expect(processesOf(parent)).toEqual([])
    expect(await readdir(parent)).toEqual([])
  },
  MINUTES,
)

test('nothing is made in a folder that is not empty', async () => {
  const folder = await temporaryFolder()
  await mkdir(join(folder, 'mine'))
  await expect(makeRoot(folder)).rejects.toThrow(`${folder} exists and is not an empty folder`)
  await writeFile(join(folder, 'file'), '')
  await expect(makeRoot(join(folder, 'file'))).rejects.toThrow('exists and is not an empty folder')
})

test('a package that does not exist is named, and nothing remains', async () => {
  const parent = await temporaryFolder()
  const making = makeRoot(join(parent, 'debian'), { include: ['nonesuch'] })
  await expect(making).rejects.toThrow('has no package nonesuch')
  expect(await readdir(parent)).toEqual([])
}, 120_000)

test('an ordinary user gets the reason why it fails', () => {
  const script = `const { makeRoot } = await import(${JSON.stringify(built('provision/root/root.js'))})
    const message = await makeRoot('/tmp/debian').then(() => 'made', (error) => error.message)
    console.log(JSON.stringify(message))`
  expect(asOrdinaryUser(script, null)).toContain('Only root can make a Debian root')
})
