import { execFileSync } from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type NameOptions, namesScript } from '../../src/guest/names.ts'
import { provision } from '../../src/provision/inventory.ts'
import { needsRoot, temporaryDirectory } from '../support/temporary.ts'

let busybox: string
let root: string

beforeAll(async () => {
  busybox = (await provision({ want: ['busybox'] })).busybox.found!.path
})

/** A guest's root as the init has it: /run is empty but for what is ours. */
beforeEach(() => {
  needsRoot('calls chroot')
  root = temporaryDirectory()
  mkdirSync(join(root, 'run/lowerdir'), { recursive: true })
  mkdirSync(join(root, 'etc'))
  mkdirSync(join(root, 'dev'))
  writeFileSync(join(root, 'dev/null'), '')
  copyFileSync(busybox, join(root, 'run/lowerdir/busybox'))
})

const options: NameOptions = { hostname: 'guest', nameserver: null, hasServices: false }

/** Runs the script as the guest's init does. */
function run(changes: Partial<NameOptions> = {}): void {
  const script = namesScript({ ...options, ...changes })
  const argv = ['chroot', root, '/run/lowerdir/busybox', 'sh', '-c', script]
  const said = execFileSync(busybox, argv, { encoding: 'utf8', stdio: 'pipe' })
  expect(said).toBe('')
}

const hosts = (): string => readFileSync(join(root, 'etc/hosts'), 'utf8')
const resolv = (): string => readFileSync(join(root, 'etc/resolv.conf'), 'utf8')

describe('a guest’s own name', () => {
  it('is found behind what the root’s /etc/hosts has, once for all boots', () => {
    writeFileSync(join(root, 'etc/hosts'), '127.0.0.1 localhost guests # guest\n# 1.2.3.4 guest')
    run({ hostname: 'earlier' })
    run()
    run()
    expect(hosts()).toBe(
      '127.0.0.1 localhost guests # guest\n# 1.2.3.4 guest\n127.0.1.1 guest # lowerdir\n',
    )
  })

  it('keeps the address that the root has for it', () => {
    writeFileSync(join(root, 'etc/hosts'), '10.0.0.1\tother\tGuest # itself\n')
    run()
    expect(hosts()).toBe('10.0.0.1\tother\tGuest # itself\n')
  })

  it.each([
    ['no /etc/hosts', () => {}],
    ['a link that leads nowhere', () => symlinkSync('/nowhere/hosts', join(root, 'etc/hosts'))],
  ])('is found where there is %s, and so is localhost', (_what, prepare) => {
    prepare()
    run()
    expect(hosts()).toBe('127.0.0.1 localhost\n::1 localhost\n127.0.1.1 guest # lowerdir\n')
  })

  it('is found where the root has a link, which stays', () => {
    mkdirSync(join(root, 'data'))
    writeFileSync(join(root, 'data/hosts'), '127.0.0.1 localhost\n')
    symlinkSync('/data/hosts', join(root, 'etc/hosts'))
    run()
    expect(lstatSync(join(root, 'etc/hosts')).isSymbolicLink()).toBe(true)
    expect(readFileSync(join(root, 'data/hosts'), 'utf8')).toContain('127.0.1.1 guest')
  })
})

describe('a guest’s name server', () => {
  const nameserver = '10.0.2.3'
  const ours = 'nameserver 10.0.2.3\n'

  it.each([
    ['/run/systemd/resolve/stub-resolv.conf'],
    ['../run/systemd/resolve/stub-resolv.conf'],
    ['/run/resolv.conf'],
  ])('is where a link of the root leads: %s', (target) => {
    symlinkSync(target, join(root, 'etc/resolv.conf'))
    run({ nameserver, hasServices: true })
    expect(readFileSync(join(root, target.replace('..', '')), 'utf8')).toBe(ours)
    expect(lstatSync(join(root, 'etc/resolv.conf')).isSymbolicLink()).toBe(true)
  })

  it('takes the place of a link that leads where nothing can be made', () => {
    symlinkSync('/gone', join(root, 'etc/folder'))
    symlinkSync('folder/resolv.conf', join(root, 'etc/resolv.conf'))
    run({ nameserver })
    expect(resolv()).toBe(ours)
  })

  it.each([
    ['none', undefined],
    ['an empty file', ''],
    [
      'nothing but a resolver that does not run here',
      'search x\nnameserver 127.0.0.53\nnameserver ::1\n',
    ],
  ])('is there for a root with %s', (_what, content) => {
    if (content !== undefined) writeFileSync(join(root, 'etc/resolv.conf'), content)
    run({ nameserver })
    expect(resolv()).toBe(ours)
  })

  it.each([
    ['a server of its own', 'nameserver 127.0.0.1\nnameserver 192.0.2.1\n', false],
    ['a resolver that its init starts', 'nameserver 127.0.0.53\n', true],
  ])('is not needed in a root with %s', (_what, content, hasServices) => {
    writeFileSync(join(root, 'etc/resolv.conf'), content)
    run({ nameserver, hasServices })
    expect(resolv()).toBe(content)
  })

  it('is not there where the guest reaches none', () => {
    run()
    expect(existsSync(join(root, 'etc/resolv.conf'))).toBe(false)
  })
})
