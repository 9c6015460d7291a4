import assert from 'node:assert/strict'
import { accessSync, constants } from 'node:fs'
import { UNCHANGED, type User } from '../fs.ts'
import {
  type KernelBehaviours,
  read,
  bytes,
  text,
  make,
  content,
  fails,
  outcome,
  longAgo,
} from './helpers.ts'

/** What users other than root may do. Root runs these, and lets the others act. */
export const users: KernelBehaviours = {
  'the bits of a mode decide which users may open a file, and for what': async (fs) => {
    await fs.chmod('.', 0o777)
    await make(fs, 'f', 'text')
    await fs.lchown('f', alice.uid, team)
    const cases: [user: User, shift: number][] = [
      [alice, 6],
      [{ ...bob, gid: team }, 3],
      [{ ...bob, groups: [team] }, 3],
      [bob, 0],
    ]
    for (const [user, shift] of cases) {
      for (const bits of [0, 2, 4, 6]) {
        // All others may: only the user's own three bits count.
        await fs.chmod('f', (0o777 & ~(7 << shift)) | (bits << shift))
        await fs.as(user, async () => {
          for (const [access, need] of [
            ['r', 4],
            ['w', 2],
            ['rw', 6],
          ] as const) {
            const open = async (): Promise<void> => (await fs.open('f', { access })).close()
            const expected = (bits & need) === need ? 'no error' : 'EACCES'
            assert.deepEqual(
              [shift, bits, access, await outcome(open)],
              [shift, bits, access, expected],
            )
          }
        })
      }
    }
  },

  'a directory is searched, read and changed only by users who may': async (fs) => {
    await fs.chmod('.', 0o777)
    await fs.mkdir('d')
    await make(fs, 'd/f', 'text')
    await fs.mkdir('d/sub')
    await fs.lchown('d', alice.uid, alice.gid)
    for (const bits of [0, 1, 4, 5]) {
      await fs.chmod('d', 0o770 | bits)
      await fs.as(bob, async () => {
        const search = (bits & 1) === 0 ? 'EACCES' : 'no error'
        const list = (bits & 4) === 0 ? 'EACCES' : 'no error'
        assert.deepEqual([bits, await outcome(fs.stat('d/f'))], [bits, search])
        assert.deepEqual([bits, await outcome(content(fs, 'd/f'))], [bits, search])
        assert.deepEqual([bits, await outcome(fs.readdir('d'))], [bits, list])
      })
    }
    await fs.chmod('d', 0o775)
    await make(fs, 'mine', '', { mode: 0o666 })
    await fs.as(bob, async () => {
      const create = { access: 'w', create: true } as const
      await fails('EACCES', fs.open('d/new', create))
      await fails('EACCES', fs.mkdir('d/new'))
      await fails('EACCES', fs.symlink('x', 'd/new'))
      await fails('EACCES', fs.link('mine', 'd/new'))
      await fails('EACCES', fs.unlink('d/f'))
      await fails('EACCES', fs.rmdir('d/sub'))
      await fails('EACCES', fs.rename('d/f', 'd/g'))
      await fails('EACCES', fs.rename('d/f', 'g'))
      await fails('EACCES', fs.rename('mine', 'd/g'))
      await (await fs.open('d/f', read)).close()
    })
    await fs.as(alice, async () => {
      await fs.rename('d/f', 'd/g')
      await fs.unlink('d/g')
      await fs.rmdir('d/sub')
      await make(fs, 'd/new', '')
    })
    assert.deepEqual(await fs.readdir('d'), [{ name: 'new', kind: 'file' }])
  },

  'what a user makes is that user\u2019s': async (fs) => {
    await fs.chmod('.', 0o777)
    await fs.as(alice, async () => {
      await make(fs, 'f', '')
      await fs.mkdir('d')
      await fs.symlink('f', 'l')
    })
    for (const name of ['f', 'd', 'l']) {
      const { uid, gid } = await fs.lstat(name)
      assert.deepEqual([name, uid, gid], [name, alice.uid, alice.gid])
    }
  },

  'what a user makes in a setgid directory has its group': async (fs) => {
    await fs.mkdir('d')
    await fs.lchown('d', alice.uid, team)
    await fs.chmod('d', 0o2777)
    await fs.as(bob, async () => {
      await make(fs, 'd/f', '')
      await fs.mkdir('d/sub')
      await make(fs, 'd/sub/f', '')
    })
    for (const name of ['d/f', 'd/sub', 'd/sub/f']) {
      const { uid, gid } = await fs.stat(name)
      assert.deepEqual([name, uid, gid], [name, bob.uid, team])
    }
    assert.equal((await fs.stat('d/sub')).mode & 0o2000, 0o2000)
  },

  'a sticky directory lets names be removed by their owners only': async (fs) => {
    await fs.mkdir('d')
    await fs.lchown('d', alice.uid, alice.gid)
    await fs.chmod('d', 0o1777)
    await fs.as(bob, async () => {
      await make(fs, 'd/f', 'text', { mode: 0o666 })
      await fs.mkdir('d/sub', 0o777)
    })
    await fs.as(carol, async () => {
      await fails('EPERM', fs.unlink('d/f'))
      await fails('EPERM', fs.rmdir('d/sub'))
      await fails('EPERM', fs.rename('d/f', 'd/g'))
      await make(fs, 'd/own', '')
      await fails('EPERM', fs.rename('d/own', 'd/f'))
      assert.equal(await content(fs, 'd/f'), 'text')
    })
    await fs.as(bob, () => fs.rename('d/f', 'd/g'))
    await fs.as(bob, () => fs.unlink('d/g'))
    // The directory's owner may as well.
    await fs.as(alice, () => fs.rmdir('d/sub'))
    await fs.as(alice, () => fs.unlink('d/own'))
  },

  'a mode is changed by the owner only': async (fs) => {
    await make(fs, 'f', '', { mode: 0o666 })
    await fs.lchown('f', alice.uid, alice.gid)
    await fs.as(bob, () => fails('EPERM', fs.chmod('f', 0o600)))
    await fs.as(alice, () => fs.chmod('f', 0o640))
    assert.equal((await fs.stat('f')).mode, 0o640)
  },

  'an owner is changed by root only, a group by a member': async (fs) => {
    await make(fs, 'f', '')
    await fs.lchown('f', alice.uid, alice.gid)
    await fs.as({ ...alice, groups: [team] }, async () => {
      await fails('EPERM', fs.lchown('f', bob.uid, UNCHANGED))
      await fails('EPERM', fs.lchown('f', UNCHANGED, bob.gid))
      await fs.lchown('f', alice.uid, team)
    })
    assert.equal((await fs.stat('f')).gid, team)
    await fs.as({ ...bob, groups: [team] }, () => {
      return fails('EPERM', fs.lchown('f', UNCHANGED, bob.gid))
    })
  },

  'a group\u2019s program loses its setgid bit when no member changes the mode': async (fs) => {
    await make(fs, 'f', '')
    await fs.lchown('f', alice.uid, team)
    await fs.as(alice, () => fs.chmod('f', 0o2755))
    assert.equal((await fs.stat('f')).mode, 0o755)
    await fs.as({ ...alice, groups: [team] }, () => fs.chmod('f', 0o2755))
    assert.equal((await fs.stat('f')).mode, 0o2755)
  },

  'a program loses setuid and setgid when a user writes to it': async (fs) => {
    await make(fs, 'f', 'text')
    await fs.chmod('f', 0o6777)
    await fs.as(bob, async () => {
      const file = await fs.open('f', { access: 'w' })
      await file.write(0, bytes('other'))
      await file.close()
    })
    assert.equal((await fs.stat('f')).mode, 0o777)
  },

  'a program loses setuid and setgid when a user truncates it': async (fs) => {
    await make(fs, 'f', 'text')
    await fs.chmod('f', 0o6777)
    await fs.as(bob, () => fs.truncate('f', 1))
    assert.equal((await fs.stat('f')).mode, 0o777)
  },

  'times are set by the owner, and to the present by every user who may write': async (fs) => {
    await make(fs, 'f', '', { mode: 0o644 })
    await fs.lchown('f', alice.uid, alice.gid)
    await fs.as(bob, async () => {
      await fails('EPERM', fs.lutimes('f', longAgo, longAgo))
      await fails('EACCES', fs.lutimes('f', 'now', 'now'))
    })
    await fs.chmod('f', 0o646)
    await fs.as(bob, async () => {
      await fails('EPERM', fs.lutimes('f', longAgo, longAgo))
      await fails('EPERM', fs.lutimes('f', 'now', 'keep'))
      await fs.lutimes('f', 'now', 'now')
    })
    await fs.as(alice, () => fs.lutimes('f', longAgo, longAgo))
    assert.equal((await fs.stat('f')).mtime, longAgo)
  },

  'a size is changed only by users who may write': async (fs) => {
    await make(fs, 'f', 'text', { mode: 0o644 })
    await fs.as(bob, () => fails('EACCES', fs.truncate('f', 0)))
    await fs.as(bob, () => fails('EACCES', fs.open('f', { access: 'w', truncate: true })))
    assert.equal((await fs.stat('f')).size, 4)
  },

  'a file that a user has open stays usable when its mode forbids it by now': async (fs) => {
    await fs.chmod('.', 0o777)
    await fs.as(alice, async () => {
      const file = await fs.open('f', { access: 'rw', create: true, mode: 0o600 })
      await fs.chmod('f', 0)
      await file.write(0, bytes('text'))
      await file.truncate(3)
      assert.equal(text(await file.read(0, 10)), 'tex')
      await fails('EACCES', fs.open('f', read))
      await file.close()
    })
  },

  'a user who may not even search learns nothing': async (fs) => {
    await fs.mkdir('d', 0o700)
    await make(fs, 'd/f', '', { mode: 0o777 })
    await fs.stat('d/f')
    await fs.as(bob, async () => {
      for (const name of ['d/f', 'd/missing', 'd/f/x']) {
        await fails('EACCES', fs.stat(name))
        await fails('EACCES', fs.open(name, read))
        await fails('EACCES', fs.unlink(name))
        await fails('EACCES', fs.readlink(name))
        await fails('EACCES', fs.rename(name, 'x'))
      }
    })
  },

  'root may read and write everything, and execute what any user may execute': async (fs) => {
    await make(fs, 'f', 'text', { mode: 0 })
    await fs.lchown('f', alice.uid, alice.gid)
    assert.equal(await content(fs, 'f'), 'text')
    accessSync(fs.path('f'), constants.R_OK | constants.W_OK)
    await fails('EACCES', () => accessSync(fs.path('f'), constants.X_OK))
    await fs.chmod('f', 0o001)
    accessSync(fs.path('f'), constants.X_OK)
  },
}

const alice: User = { uid: 2001, gid: 3001 }
const bob: User = { uid: 2002, gid: 3002 }
const carol: User = { uid: 2003, gid: 3003 }
/** A group that is no user's primary group. */
const team = 4000
