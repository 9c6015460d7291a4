import assert from 'node:assert/strict'
import { closeSync, constants, openSync, readSync, writeSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import type { KernelFs } from '../fs.ts'
import { type KernelBehaviours, make, content, fails } from './helpers.ts'
import { mknod } from '../system.ts'

/** FIFOs and sockets. */
export const special: KernelBehaviours = {
  'a FIFO is one, and has the mode it was given': async (fs) => {
    mknod(fs.path('p'), S_IFIFO | 0o640)
    const { kind, mode, size, nlink } = await fs.lstat('p')
    assert.deepEqual([kind, mode, size, nlink], ['fifo', 0o640, 0, 1])
    assert.deepEqual(await fs.readdir('.'), [{ name: 'p', kind: 'fifo' }])
    await fs.chmod('p', 0o600)
    assert.equal((await fs.stat('p')).mode, 0o600)
  },

  'a FIFO needs a free name in a directory': async (fs) => {
    await make(fs, 'f', '')
    await fs.mkdir('d')
    await fs.symlink('missing', 'l')
    for (const name of ['f', 'd', 'l']) await fails('EEXIST', () => mknod(fs.path(name), S_IFIFO))
    await fails('ENOENT', () => mknod(fs.path('missing/p'), S_IFIFO))
    await fails('ENOTDIR', () => mknod(fs.path('f/p'), S_IFIFO))
    await fails('ENAMETOOLONG', () => mknod(fs.path('x'.repeat(256)), S_IFIFO))
  },

  'bytes go through a FIFO': async (fs) => {
    mknod(fs.path('p'), S_IFIFO | 0o600)
    const fd = openSync(fs.path('p'), constants.O_RDWR | constants.O_NONBLOCK)
    writeSync(fd, 'text')
    const buffer = Buffer.alloc(10)
    assert.equal(readSync(fd, buffer, 0, 10, null), 4)
    assert.equal(buffer.toString('latin1', 0, 4), 'text')
    closeSync(fd)
    assert.equal((await fs.stat('p')).size, 0)
  },

  'a FIFO is renamed, linked and removed like a file': async (fs) => {
    mknod(fs.path('p'), S_IFIFO)
    await fs.rename('p', 'q')
    await fs.link('q', 'r')
    assert.equal((await fs.lstat('r')).nlink, 2)
    await make(fs, 'f', 'text')
    await fs.rename('f', 'r')
    assert.equal((await fs.lstat('q')).nlink, 1)
    await fs.mkdir('d')
    await fails('EISDIR', fs.rename('q', 'd'))
    await fails('ENOTDIR', fs.rename('d', 'q'))
    await fails('ENOTDIR', fs.rmdir('q'))
    await fs.rename('q', 'r')
    assert.equal((await fs.lstat('r')).kind, 'fifo')
    await fs.unlink('r')
  },

  'a FIFO is neither truncated nor listed': async (fs) => {
    mknod(fs.path('p'), S_IFIFO | 0o600)
    await fails('EINVAL', fs.truncate('p', 0))
    await fails('ENOTDIR', fs.readdir('p'))
    await fails('EINVAL', fs.readlink('p'))
  },

  'a file is made as one by mknod': async (fs) => {
    mknod(fs.path('f'), S_IFREG | 0o640)
    const { kind, mode, size } = await fs.stat('f')
    assert.deepEqual([kind, mode, size], ['file', 0o640, 0])
    await make(fs, 'f', 'text')
    assert.equal(await content(fs, 'f'), 'text')
  },

  'a server listens on a socket': async (fs) => {
    await withServer(fs, async () => {
      assert.equal((await fs.lstat('s')).kind, 'socket')
      assert.equal(await heardAt('s'), 'hello')
    })
  },

  'a server is reached through each name of its socket': async (fs) => {
    await withServer(fs, async () => {
      await fs.link('s', 't')
      for (const name of ['s', 't']) assert.equal(await heardAt(name), 'hello')
    })
  },
}

const S_IFIFO = 0o010000
const S_IFREG = 0o100000

/** Runs `act` while a server listens on the socket `s`, which is in the current directory: a name in a sockaddr is short. */
async function withServer(fs: KernelFs, act: () => Promise<void>): Promise<void> {
  const server = createServer((socket) => socket.end('hello'))
  const before = process.cwd()
  process.chdir(fs.path('.'))
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen('s', resolve)
    })
    await act()
  } finally {
    server.close()
    process.chdir(before)
  }
}

/** What a server says there. */
function heardAt(path: string): Promise<string> {
  return new Promise<string>((resolve, reject) => {
    connect(path)
      .once('error', reject)
      .once('data', (data) => resolve(data.toString()))
  })
}
