import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { CHILD, OWNER } from '../../src/machine/reaper.ts'
import { RuntimeFolder } from '../../src/machine/runtime-folder.ts'
import { ordinaryId } from '../support/ordinary-user.ts'
import { FolderProcesses, type Running, makeFolder, sweep } from '../support/folder-processes.ts'
import { needsRoot, temporaryDirectory } from '../support/temporary.ts'

/** A folder like /tmp. */
let tmp: string
/** The parent of this user's folders in it. */
let parent: string
/** A directory of this user's, elsewhere. */
let home: string
const processes = new FolderProcesses()

beforeEach(() => {
  needsRoot('makes files of another user')
  tmp = temporaryDirectory()
  chmodSync(tmp, 0o1777)
  parent = join(tmp, `lowerdir-${process.getuid!()}`)
  home = temporaryDirectory()
  chmodSync(home, 0o755)
  vi.stubEnv('XDG_RUNTIME_DIR', '')
  vi.stubEnv('TMPDIR', tmp)
})

afterEach(() => {
  vi.unstubAllEnvs()
  processes[Symbol.dispose]()
})

/** A victim that runs, and the identity of a process that does not: together what a sweep acts on. */
async function victim(): Promise<Running & { readonly dead: string }> {
  const dead = await processes.dead()
  return { ...(await processes.sleep()), dead }
}

function giveAway(path: string): void {
  chownSync(path, ordinaryId, ordinaryId)
  if (!statSync(path).isDirectory()) return
  for (const name of readdirSync(path)) giveAway(join(path, name))
}

function expectAlive({ child }: Running): void {
  expect(child.exitCode ?? child.signalCode).toBeNull()
}

describe('in a /tmp that others write to', () => {
  it('a symlink in the place of the parent is refused, and what it leads to stays as it is', async () => {
    const { identity, dead, ...running } = await victim()
    execFileSync('rm', ['-r', parent])
    makeFolder(join(home, 'vm-x'), { [OWNER]: dead, [CHILD]: identity })
    symlinkSync(home, parent)
    expect(() => RuntimeFolder.create()).toThrow('is no folder, or a symbolic link')
    expect(statSync(home).mode & 0o777).toBe(0o755)
    expect(readdirSync(home)).toEqual(['vm-x'])
    expectAlive({ identity, ...running })
  })

  it('a parent of another user’s is refused, and stays as it is', () => {
    mkdirSync(parent, { mode: 0o755 })
    giveAway(parent)
    expect(() => RuntimeFolder.create()).toThrow('belongs to another user')
    expect(statSync(parent).mode & 0o777).toBe(0o755)
  })

  it('a parent that is a file or a FIFO is refused at once', () => {
    execFileSync('mkfifo', [parent])
    expect(() => RuntimeFolder.create()).toThrow('is no folder')
  })

  it('a folder of another user’s below the parent is neither read nor removed', async () => {
    const { identity, dead, ...running } = await victim()
    const theirs = makeFolder(join(parent, 'vm-theirs'), { [OWNER]: dead, [CHILD]: identity })
    giveAway(theirs)
    sweep()
    expect(existsSync(theirs)).toBe(true)
    expectAlive({ identity, ...running })
  })

  it('a folder’s file of another user’s is not believed, nor one that is a symlink', async () => {
    const { identity, dead, ...running } = await victim()
    const given = makeFolder(join(parent, 'vm-given'), { [OWNER]: dead, [CHILD]: identity })
    giveAway(join(given, CHILD))
    const linked = makeFolder(join(parent, 'vm-linked'), { [OWNER]: dead })
    writeFileSync(join(home, 'child'), identity)
    symlinkSync(join(home, 'child'), join(linked, CHILD))
    const owner = makeFolder(join(parent, 'vm-owner'), { [OWNER]: dead, [CHILD]: identity })
    giveAway(join(owner, OWNER))
    sweep()
    expect([existsSync(given), existsSync(linked), existsSync(owner)]).toEqual([false, false, true])
    expectAlive({ identity, ...running })
  })

  it('a symlink below the parent is not followed', async () => {
    const { identity, dead, ...running } = await victim()
    makeFolder(join(home, 'machine'), { [OWNER]: dead, [CHILD]: identity })
    symlinkSync(join(home, 'machine'), join(parent, 'vm-link'))
    sweep()
    expect(readdirSync(join(home, 'machine')).toSorted()).toEqual([CHILD, OWNER])
    expectAlive({ identity, ...running })
  })

  it('a FIFO in the place of a file does not block', async () => {
    const { dead } = await victim()
    const folder = makeFolder(join(parent, 'vm-fifo'), {})
    execFileSync('mkfifo', [join(folder, OWNER)])
    const other = makeFolder(join(parent, 'vm-fifo-child'), { [OWNER]: dead })
    execFileSync('mkfifo', [join(other, CHILD)])
    sweep()
    expect([existsSync(folder), existsSync(other)]).toEqual([true, false])
  })

  it('a process is killed by its start time, not by its number', async () => {
    const { identity, dead, ...running } = await victim()
    const earlier = `${identity.slice(0, identity.lastIndexOf('.'))}.1`
    makeFolder(join(parent, 'vm-reused'), { [OWNER]: dead, [CHILD]: earlier })
    for (const [index, child] of ['-1', '1', `${running.child.pid} 1`, '0.0.-1.1'].entries()) {
      makeFolder(join(parent, `vm-${index}`), { [OWNER]: dead, [CHILD]: child })
    }
    sweep()
    expect(readdirSync(parent)).toEqual([])
    expectAlive({ identity, ...running })
  })
})

it('a folder for temporary files in which others can replace ours is refused', () => {
  chmodSync(tmp, 0o777)
  expect(() => RuntimeFolder.create()).toThrow('other users can replace')
  chmodSync(tmp, 0o755)
  giveAway(tmp)
  expect(() => RuntimeFolder.create()).toThrow('other users can replace')
  expect(existsSync(parent)).toBe(false)
})

it('$XDG_RUNTIME_DIR is used only if it is this user’s alone', () => {
  const runtime = temporaryDirectory()
  vi.stubEnv('XDG_RUNTIME_DIR', runtime)
  const place = (): string => {
    using folder = RuntimeFolder.create()
    return dirname(dirname(folder.path))
  }
  expect(place()).toBe(runtime)
  chmodSync(runtime, 0o755)
  expect(place()).toBe(tmp)
  chmodSync(runtime, 0o700)
  giveAway(runtime)
  expect(place()).toBe(tmp)
})

it('all of it is this user’s alone, whatever the umask', () => {
  const umask = process.umask(0)
  try {
    using folder = RuntimeFolder.create()
    folder.adopt(process.pid)
    const mode = (path: string): number => statSync(path).mode & 0o777
    expect([mode(parent), mode(folder.path)]).toEqual([0o700, 0o700])
    expect([mode(folder.file(OWNER)), mode(folder.file(CHILD))]).toEqual([0o600, 0o600])
  } finally {
    process.umask(umask)
  }
})

describe('the reaper', () => {
  /** Kills a process that has a reaper, and waits until the reaper has removed the folder `vm-last` of it. */
  async function reap(identity: string): Promise<void> {
    const last = makeFolder(join(parent, 'vm-zz-last'), { [OWNER]: identity })
    const child = await processes.withReaper(parent, identity)
    child.kill('SIGKILL')
    await vi.waitFor(() => expect(existsSync(last)).toBe(false))
  }

  it('follows no symlinks, believes no files of others, and does not block', async () => {
    const { identity, dead, ...running } = await victim()
    makeFolder(join(home, 'machine'), { [OWNER]: dead, [CHILD]: identity })
    symlinkSync(join(home, 'machine'), join(parent, 'vm-link'))
    const theirs = makeFolder(join(parent, 'vm-theirs'), { [OWNER]: dead, [CHILD]: identity })
    giveAway(theirs)
    const given = makeFolder(join(parent, 'vm-given'), { [OWNER]: dead, [CHILD]: identity })
    giveAway(join(given, CHILD))
    const fifo = makeFolder(join(parent, 'vm-fifo'), {})
    execFileSync('mkfifo', [join(fifo, OWNER)])
    await reap(dead)
    expect(readdirSync(join(home, 'machine')).toSorted()).toEqual([CHILD, OWNER])
    expect(readdirSync(parent).toSorted()).toEqual(['vm-fifo', 'vm-link', 'vm-theirs'])
    expectAlive({ identity, ...running })
  })

  it('removes nothing through a symlink in the place of the parent', async () => {
    const { identity, dead, ...running } = await victim()
    const child = await processes.withReaper(parent, dead)
    execFileSync('mv', [parent, `${parent}-aside`])
    symlinkSync(home, parent)
    makeFolder(join(home, 'vm-x'), { [OWNER]: dead, [CHILD]: identity })
    // The reaper has ended when nothing of it is left.
    child.kill('SIGKILL')
    await vi.waitFor(() => expect(reapersOf(dead)).toBe(0))
    expect(readdirSync(home)).toEqual(['vm-x'])
    expectAlive({ identity, ...running })
  })
})

/** How many reapers there are of a process. */
function reapersOf(identity: string): number {
  return readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid)) return false
    try {
      const words = readFileSync(join('/proc', pid, 'cmdline'), 'utf8').split('\0')
      return words.includes('lowerdir-reaper') && words.includes(identity)
    } catch {
      // It has just ended.
      return false
    }
  }).length
}
