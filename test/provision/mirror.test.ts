import { expect, test } from 'vitest'
import { defaultSuite, parseOsRelease } from '../../src/provision/host.ts'
import { chooseSources, findMirror, parseTargets, shownMirror } from '../../src/provision/mirror.ts'

const bookworm = { id: 'debian', codename: 'bookworm' }
const ubuntu = { id: 'ubuntu', codename: 'noble' }

const listed = `Debian|Debian|http://mirror.test/debian/|bookworm|main
Debian|Debian|http://mirror.test/debian/|bookworm|contrib
Debian|Debian|http://mirror.test/debian/|bookworm-updates|main
Debian|Debian-Security|http://mirror.test/security/|bookworm-security|main
Example|Example|http://example.test/|bookworm|main
`
// What apt prints before its first update: it does not know yet whose the indexes are.
const unlisted = listed.replaceAll(/^\w+\|[\w-]+\|/gm, '$(ORIGIN)|$(LABEL)|')

test("the host's own suite comes with its updates and security fixes, from its own mirror", () => {
  expect(chooseSources('bookworm', parseTargets(listed), bookworm)).toEqual([
    { uri: 'http://mirror.test/debian/', suite: 'bookworm' },
    { uri: 'http://mirror.test/debian/', suite: 'bookworm-updates' },
    { uri: 'http://mirror.test/security/', suite: 'bookworm-security' },
  ])
})

test('another suite comes from the same mirror', () => {
  expect(chooseSources('sid', parseTargets(listed), bookworm)).toEqual([
    { uri: 'http://mirror.test/debian/', suite: 'sid' },
  ])
})

test('a machine whose apt has never been updated has a mirror all the same', () => {
  expect(chooseSources('sid', parseTargets(unlisted), bookworm)).toEqual([
    { uri: 'http://mirror.test/debian/', suite: 'sid' },
  ])
})

test("a third party's repository is no mirror of Debian", () => {
  const targets = parseTargets('Example|Example|http://example.test/|bookworm|main\n')
  expect(chooseSources('bookworm', targets, bookworm)).toEqual([
    { uri: 'http://deb.debian.org/debian', suite: 'bookworm' },
  ])
})

test('neither is the mirror of another distribution, nor installation media', () => {
  const targets = parseTargets(
    'Ubuntu|Ubuntu|http://ubuntu.test/|noble|main\nDebian|Debian|cdrom://[x]/|bookworm|main\n',
  )
  expect(chooseSources('stable', targets, ubuntu)[0]?.uri).toBe('http://deb.debian.org/debian')
})

test('os-release is read with and without quotes', () => {
  const host = parseOsRelease('NAME="Debian GNU/Linux"\nVERSION_CODENAME=bookworm\nID=debian\n')
  expect(host).toEqual(bookworm)
  expect(parseOsRelease('ID=\'ubuntu\'\nVERSION_CODENAME="noble"\n')).toEqual(ubuntu)
})

test('only a Debian host has a suite of its own', () => {
  expect(defaultSuite(bookworm)).toBe('bookworm')
  expect(defaultSuite(ubuntu)).toBe('stable')
  expect(defaultSuite({ id: 'debian', codename: '' })).toBe('stable')
})

test('before the first update, a mirror of Debian is told from a third party by its name', () => {
  const targets = parseTargets(
    '$(ORIGIN)|$(LABEL)|https://example.test/php/|bookworm|main\n' +
      unlisted.split('\n').slice(0, 1).join('\n'),
  )
  expect(findMirror(targets, bookworm)).toBe('http://mirror.test/debian/')
})

test('a source that apt lists twice is used once', () => {
  const targets = parseTargets(listed + listed)
  expect(chooseSources('bookworm', targets, bookworm)).toHaveLength(3)
})

test('a mirror that is named in a file is one, as in cloud images', () => {
  const uri = 'mirror+file:/etc/apt/mirrors/debian.list/'
  const targets = parseTargets(`Debian|Debian|${uri}|bookworm|main\n`)
  expect(findMirror(targets, bookworm)).toBe(uri)
})

test('a mirror is shown without its password', () => {
  expect(shownMirror('https://ada:secret@mirror.test/debian/')).toBe('https://mirror.test/debian/')
})
