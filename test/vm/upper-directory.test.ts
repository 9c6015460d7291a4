import { existsSync, lstatSync, mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Machine } from '../../src/driver/machine.ts'
import { bootTested } from '../support/vm-boot.ts'
import { Cli } from '../support/vm-cli.ts'
import { vmKernel } from '../support/vm-machine.ts'
import { Stage } from '../support/vm-stage.ts'

/**
 * Machines whose upper layer is a directory of the host, over virtio-fs: the oldest kernel as root, and the newest as an
 * ordinary user, for whom owners and overlayfs's own attributes are kept beside the files.
 */

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'lowerdir-test-')))
const directory = join(folder, 'kept')

afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** A removed file of a lower layer (Documentation/filesystems/overlayfs.rst, "whiteouts and opaque directories"). */
const isWhiteout = (path: string): boolean => {
  const stat = lstatSync(path)
  return stat.isCharacterDevice() && stat.rdev === 0
}

/** Changes a guest in each way that overlayfs has one of its own for. */
const changes = `set -e
echo kept >/etc/lowerdir-new
echo changed >/etc/hostname
rm /etc/issue
rm -r /etc/skel; mkdir /etc/skel; echo new >/etc/skel/file
mv /etc/issue.net /etc/moved
chown 1234:4321 /etc/lowerdir-new; chmod 4750 /etc/lowerdir-new`

/** What a guest with these changes shows. */
const look = `cat /etc/lowerdir-new /etc/hostname; ls /etc/skel; ls /etc/issue /etc/issue.net /etc/moved 2>&1 | sort
stat -c '%a %u %g' /etc/lowerdir-new`

const shown = [
  'kept',
  'changed',
  'file',
  '/etc/moved',
  "ls: cannot access '/etc/issue': No such file or directory",
  "ls: cannot access '/etc/issue.net': No such file or directory",
  '4750 1234 4321',
  '',
].join('\n')

describe('a machine with a directory for its upper layer', () => {
  let vm: Machine

  beforeAll(async () => {
    const { image } = await vmKernel('bookworm')
    vm = await bootTested({ upper: { directory }, kernel: image })
    await vm.succeed(changes)
  })

  afterAll(() => vm?.[Symbol.asyncDispose]())

  it('keeps what it writes as files of the host', () => {
    const upper = join(directory, 'upper/etc')
    expect(readFileSync(join(upper, 'lowerdir-new'), 'utf8')).toBe('kept\n')
    const { mode, uid, gid } = lstatSync(join(upper, 'lowerdir-new'))
    expect([mode & 0o7777, uid, gid]).toEqual([0o4750, 1234, 4321])
    expect(isWhiteout(join(upper, 'issue'))).toBe(true)
    expect(isWhiteout(join(upper, 'issue.net'))).toBe(true)
    expect(readFileSync(join(upper, 'skel/file'), 'utf8')).toBe('new\n')
    expect(existsSync('/etc/lowerdir-new')).toBe(false)
  })

  it('has it alone', async () => {
    await expect(bootTested({ upper: { directory } })).rejects.toThrow(
      `upper: another machine uses ${directory} now.`,
    )
  })

  it('leaves it to the next machine', async () => {
    await vm[Symbol.asyncDispose]()
    // As a path.
    vm = await bootTested({ upper: `${folder}/kept` })
    expect(await vm.succeed(look)).toBe(shown)
  })
})

describe('a machine of an ordinary user with a directory for its upper layer', () => {
  const stage = new Stage()

  afterAll(() => stage[Symbol.dispose]())

  it('keeps owners and modes that this user cannot give, and removed files', async () => {
    const kept = join(stage.home, 'kept')
    const script = `
      const { boot } = await import(process.argv[2])
      const [kept, changes, look] = process.argv.slice(3)
      const options = { root: '/', init: 'none', memory: 512, screen: false, upper: { directory: kept } }
      for (const script of [changes, look]) {
        const vm = await boot(options)
        process.stdout.write(await vm.succeed(script))
        await vm[Symbol.asyncDispose]()
      }`
    const { argv, env } = stage.node(['--input-type=module'])
    const node = argv.slice(0, -1)
    const index = stage.path(new URL('../../dist/index.js', import.meta.url).pathname)
    const args = ['--input-type=module', '--eval', script, '--', 'x', index, kept, changes, look]
    await using cli = Cli.staged({ argv: [...node, ...args], env })
    const { status, stdout, stderr } = await cli.end()
    expect(stderr).not.toContain('Error')
    expect(status).toBe(0)
    expect(stdout.toString()).toBe(shown)
    const { uid, mode } = lstatSync(join(kept, 'upper/etc/lowerdir-new'))
    expect([uid, mode & 0o7777]).toEqual([lstatSync(kept).uid, 0o600])
  })
})
