import { existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { errno } from '../../src/sys/errno.ts'
import { close } from '../../src/sys/files.ts'
import { systemMemory } from '../../src/sys/system-memory.ts'
import { POLLIN, PollSet } from '../../src/sys/poll.ts'
import {
  accept,
  boundPort,
  connectUnix,
  listenTcp,
  listenUnix,
  receive,
  receiveBlocking,
  send,
  sendBlocking,
  setNoDelay,
  UNIX_PATH_MAX,
} from '../../src/sys/sockets.ts'
import { errnoOf } from '../support/errors.ts'
import { openDescriptors } from '../support/descriptors.ts'
import { afterwards, temporaryDirectory } from '../support/temporary.ts'

let directory: string

beforeEach(() => {
  directory = temporaryDirectory()
})

function owned(fd: number): number {
  afterwards(() => close(fd))
  return fd
}

describe('a listening unix socket', () => {
  it('is open to its user alone, also with a umask of 0', () => {
    const umask = process.umask(0)
    afterwards(() => process.umask(umask))
    const path = join(directory, 's')
    owned(listenUnix(path))
    expect(statSync(path).mode).toBe(0o140600)
  })

  it('replaces the file of a server that is gone', () => {
    const path = join(directory, 's')
    close(listenUnix(path))
    expect(existsSync(path)).toBe(true)
    const fd = owned(listenUnix(path))
    owned(connectUnix(path))
    expect(owned(accept(fd))).toBeGreaterThan(0)
  })

  it('never takes the place of one that is in use', () => {
    const path = join(directory, 's')
    const fd = owned(listenUnix(path))
    expect(errnoOf(() => listenUnix(path))).toBe(errno.EADDRINUSE)
    owned(connectUnix(path))
    // The attempt to find out was a connection, too.
    owned(accept(fd))
    owned(accept(fd))
    expect(accept(fd)).toBe(-1)
  })

  it('never takes the place of any other file', () => {
    const file = join(directory, 'file')
    writeFileSync(file, 'precious')
    mkdirSync(join(directory, 'dir'))
    symlinkSync('file', join(directory, 'link'))
    symlinkSync('missing', join(directory, 'dangling'))
    close(listenUnix(join(directory, 'stale')))
    symlinkSync('stale', join(directory, 'to-stale'))
    for (const name of ['file', 'dir', 'link', 'dangling', 'to-stale']) {
      const found = errnoOf(() => listenUnix(join(directory, name)))
      expect([name, found]).toEqual([name, errno.EADDRINUSE])
    }
    expect(readFileSync(file, 'utf8')).toBe('precious')
  })

  it('has a path of at most 107 bytes', () => {
    const long = join(directory, 'x'.repeat(UNIX_PATH_MAX - directory.length - 1))
    expect(long.length).toBe(107)
    owned(listenUnix(long))
    expect(errnoOf(() => listenUnix(`${long}x`))).toBe(errno.ENAMETOOLONG)
    expect(errnoOf(() => connectUnix(`${long}x`))).toBe(errno.ENAMETOOLONG)
  })

  it('that cannot be leaves no descriptor open', () => {
    const before = openDescriptors()
    const fd = listenUnix(join(directory, 's'))
    for (const path of [join(directory, 's'), join(directory, 'no/s'), '/proc/s']) {
      expect(errnoOf(() => listenUnix(path))).not.toBe(0)
    }
    expect(errnoOf(() => connectUnix(join(directory, 'no')))).toBe(errno.ENOENT)
    close(fd)
    expect(errnoOf(() => connectUnix(join(directory, 's')))).toBe(errno.ECONNREFUSED)
    expect(openDescriptors()).toBe(before)
  })
})

describe('a listening TCP socket', () => {
  it('has the port that it was given, or one of the kernel’s choice', () => {
    const fd = owned(listenTcp('127.0.0.1', 0))
    const port = boundPort(fd)
    expect(port).toBeGreaterThan(1023)
    expect(accept(fd)).toBe(-1)
    expect(errnoOf(() => listenTcp('127.0.0.1', port))).toBe(errno.EADDRINUSE)
    // Another address is another place.
    expect(boundPort(owned(listenTcp('127.0.0.2', port)))).toBe(port)
  })

  it('that cannot be leaves no descriptor open', () => {
    const before = openDescriptors()
    expect(errnoOf(() => listenTcp('192.0.2.1', 0))).not.toBe(0)
    expect(openDescriptors()).toBe(before)
  })
})

describe('a connection', () => {
  it('carries bytes, says when there are none and when it is over', () => {
    const listener = owned(listenUnix(join(directory, 's')))
    const client = connectUnix(join(directory, 's'))
    const server = owned(accept(listener))
    const memory = systemMemory(100)
    expect(receive(server, memory.address, 100)).toBe(-1)
    memory.bytes.write('hello')
    expect(send(client, memory.address, 5)).toBe(5)
    expect(receive(server, memory.address + 50, 50)).toBe(5)
    expect(memory.bytes.toString('latin1', 50, 55)).toBe('hello')
    sendBlocking(server, memory.address + 50, 5)
    expect(receiveBlocking(client, memory.address + 10, 3)).toBe(3)
    expect(memory.bytes.toString('latin1', 10, 13)).toBe('hel')
    expect(receiveBlocking(client, memory.address, 100)).toBe(2)
    close(client)
    expect(receive(server, memory.address, 100)).toBe(0)
  })

  it('says when the other side is full, and goes on when it is not', () => {
    const listener = owned(listenUnix(join(directory, 's')))
    const client = owned(connectUnix(join(directory, 's')))
    const server = owned(accept(listener))
    const memory = systemMemory(65536)
    let sent = 0
    for (let n = 0; n >= 0; n = send(server, memory.address, 65536)) sent += n
    expect(sent).toBeGreaterThan(65536)
    let received = 0
    while (received < sent) received += receive(client, memory.address, 65536)
    expect(receive(client, memory.address, 65536)).toBe(-1)
    expect(send(server, memory.address, 10)).toBe(10)
  })

  it('that the other side has closed gives an error and not a signal', () => {
    const listener = owned(listenUnix(join(directory, 's')))
    const client = connectUnix(join(directory, 's'))
    const server = owned(accept(listener))
    close(client)
    const memory = systemMemory(8)
    const set = new PollSet()
    set.add(server, POLLIN)
    expect(set.wait(1000)).toBe(1)
    expect(receive(server, memory.address, 8)).toBe(0)
    expect(errnoOf(() => send(server, memory.address, 8))).toBe(errno.EPIPE)
    expect(errnoOf(() => sendBlocking(server, memory.address, 8))).toBe(errno.EPIPE)
  })

  it('over TCP takes TCP_NODELAY', () => {
    const listener = owned(listenTcp('127.0.0.1', 0))
    setNoDelay(listener)
    const unix = owned(listenUnix(join(directory, 's')))
    expect(errnoOf(() => setNoDelay(unix))).not.toBe(0)
  })
})
