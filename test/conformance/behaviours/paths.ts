import { UNCHANGED } from '../fs.ts'
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { copyFileSync, unlinkSync, writeFileSync } from 'node:fs'
import {
  type KernelBehaviours,
  read,
  bytes,
  make,
  content,
  fails,
  later,
  moved,
} from './helpers.ts'

/** What a kernel makes of a path, and refuses before a file system hears of it. */
export const paths: KernelBehaviours = {
  'a slash at the end asks for a directory': async (fs) => {
    await make(fs, 'f', '')
    await fs.mkdir('d/')
    await fs.symlink('d', 'l')
    assert.equal((await fs.lstat('l/')).kind, 'directory')
    await fails('ENOTDIR', fs.stat('f/'))
    await fails('ENOTDIR', fs.unlink('f/'))
    await fails('EISDIR', fs.open('new/', { access: 'w', create: true }))
    await fails('ENOTDIR', fs.rename('f', 'g/'))
    await fails('ENOENT', fs.symlink('x', 'g/'))
    await fs.rename('d/', 'e/')
    await fs.rmdir('e/')
  },

  'a directory is not removed or renamed by its dots': async (fs) => {
    await fs.mkdir('d')
    await fails('EINVAL', fs.rmdir('d/.'))
    await fails('ENOTEMPTY', fs.rmdir('d/..'))
    await fails('EBUSY', fs.rename('d/.', 'e'))
    await fails('EBUSY', fs.rename('d/..', 'e'))
    await fails('EBUSY', fs.rename('d', 'd/..'))
    await fails('EEXIST', fs.mkdir('d/.'))
    await fails('EEXIST', fs.mkdir('d/..'))
    await fails('EISDIR', fs.unlink('d/.'))
  },

  'a path has up to 4095 bytes': async (fs) => {
    await make(fs, 'f', 'text')
    const padding = 4095 - fs.path('f').length
    const longest = `${'./'.repeat(padding >> 1)}${padding % 2 === 1 ? '/' : ''}f`
    assert.equal(fs.path(longest).length, 4095)
    assert.equal(await content(fs, longest), 'text')
    await fails('ENAMETOOLONG', fs.stat(`./${longest}`))
    await fails('ENAMETOOLONG', fs.mkdir(`./${longest}`))
  },

  'a symlink has a target of 1 to 4095 bytes': async (fs) => {
    const target = 't'.repeat(4095)
    await fs.symlink(target, 'l')
    assert.equal(await fs.readlink('l'), target)
    assert.equal((await fs.lstat('l')).size, 4095)
    await fails('ENAMETOOLONG', fs.symlink(`${target}t`, 'm'))
    await fails('ENOENT', fs.symlink('', 'm'))
  },

  'a directory is made without setuid and setgid': async (fs) => {
    await fs.mkdir('d', 0o7777)
    assert.equal((await fs.stat('d')).mode, 0o1777)
  },

  'a chown that changes neither is a change': async (fs) => {
    await make(fs, 'f', '')
    const before = await fs.stat('f')
    await later(fs, before.ctime)
    await fs.lchown('f', UNCHANGED, UNCHANGED)
    assert.equal(moved(before, await fs.stat('f')), 'ctime')
  },

  'what is opened to be read is not truncated': async (fs) => {
    await make(fs, 'f', 'text')
    const file = await fs.open('f', read)
    await fails('EINVAL', file.truncate(0))
    await file.close()
    assert.equal(await content(fs, 'f'), 'text')
  },

  'a program is executed': async (fs) => {
    const script = bytes('#!/bin/sh\necho "from a script"\n')
    const file = await fs.open('script', { access: 'w', create: true, mode: 0o755 })
    await file.write(0, script)
    await file.close()
    assert.equal(execFileSync(fs.path('script'), { encoding: 'utf8' }), 'from a script\n')
    copyFileSync('/bin/sh', fs.path('program'))
    await fs.chmod('program', 0o755)
    const args = ['-c', 'echo "from a program"']
    assert.equal(execFileSync(fs.path('program'), args, { encoding: 'utf8' }), 'from a program\n')
    await fs.chmod('program', 0o644)
    await fails('EACCES', () => execFileSync(fs.path('program'), args, { stdio: 'ignore' }))
  },

  'a current directory is where it is, whatever it is called': async (fs) => {
    await fs.mkdir('d')
    const before = process.cwd()
    process.chdir(fs.path('d'))
    try {
      await fs.rename('d', 'e')
      assert.equal(process.cwd(), fs.path('e'))
      writeFileSync('f', 'text')
      assert.equal(await content(fs, 'e/f'), 'text')
      unlinkSync('f')
      await fs.rmdir('e')
      await fails('ENOENT', () => writeFileSync('f', 'text'))
    } finally {
      process.chdir(before)
    }
  },
}
