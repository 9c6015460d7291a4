import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { PassThrough } from 'node:stream'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { copyToHost } from '../../src/driver/guest-files.ts'
import type { Guest } from '../../src/driver/guest.ts'
import { HostCopy } from '../../src/driver/host-copy.ts'
import { Screen } from '../../src/driver/screen.ts'
import type { Clock } from '../../src/network/clock.ts'
import { PcapFile } from '../../src/network/pcap-file.ts'
import { Artifacts } from '../../src/record/artifacts.ts'
import { openDescriptors } from '../support/descriptors.ts'
import { guestWith, scriptedGuest } from '../support/scripted-guest.ts'
import { type TarEntry, sealed, tarArchive, tarEntry } from '../support/tar-entry.ts'
import { needsRoot, temporaryDirectory } from '../support/temporary.ts'

/** What the guest is after: a directory of the host's user. */
let home: string
/** Where the test copies to. */
let place: string

beforeEach(() => {
  const base = temporaryDirectory()
  home = join(base, 'home')
  place = join(base, 'artifacts')
  mkdirSync(home)
  mkdirSync(place)
  writeFileSync(join(home, 'keys'), 'of the user', { mode: 0o600 })
})

/** The test copies `/srv` of a guest that sends these entries for it. */
function send(...entries: readonly TarEntry[]): Promise<string> {
  const archive = tarArchive({ path: './', flag: '5', mode: 0o755 }, ...entries)
  return copyToHost(guestWith('directory', '755', archive), '/srv', place, {})
}

function expectHomeUntouched(): void {
  expect(readdirSync(home)).toEqual(['keys'])
  expect(readFileSync(join(home, 'keys'), 'utf8')).toBe('of the user')
  expect(statSync(join(home, 'keys')).mode & 0o7777).toBe(0o600)
}

describe('a symlink that a guest has left on the host', () => {
  it('does not lead a later copy out: what is below it replaces the link', async () => {
    await send({ path: './config', flag: '2', target: home })
    await send(
      { path: './config', flag: '5' },
      { path: './config/authorized_keys', content: 'of the guest' },
    )
    expectHomeUntouched()
    expect(lstatSync(join(place, 'srv/config')).isDirectory()).toBe(true)
    expect(readFileSync(join(place, 'srv/config/authorized_keys'), 'utf8')).toBe('of the guest')
  })

  it('does not lead a later copy out that names no directory between', async () => {
    await send({ path: './config', flag: '2', target: home })
    await send({ path: './config/authorized_keys', content: 'of the guest' })
    expectHomeUntouched()
  })

  it('does not lead out in the place of the copied directory itself', async () => {
    symlinkSync(home, join(place, 'srv'))
    await send({ path: './authorized_keys', content: 'of the guest' })
    expectHomeUntouched()
    expect(readdirSync(join(place, 'srv'))).toEqual(['authorized_keys'])
  })

  it('is replaced by a file of its name, and its target neither written nor given a mode', async () => {
    symlinkSync(join(home, 'keys'), join(place, 'log'))
    await copyToHost(guestWith('regular file', '666', 'of the guest'), '/srv/log', place, {})
    expectHomeUntouched()
    expect(lstatSync(join(place, 'log')).isFile()).toBe(true)
    symlinkSync(join(home, 'keys'), join(place, 'dangling'))
    await send({ path: './keys', flag: '2', target: join(home, 'new') })
    await send({ path: './keys', content: 'of the guest' })
    expectHomeUntouched()
  })

  it('does not lead out when it comes while the copy is on its way', async () => {
    await send({ path: './config', flag: '5' })
    const archive = new PassThrough()
    archive.write(tarEntry({ path: './', flag: '5' }))
    const copy = copyToHost(guestWith('directory', '755', archive), '/srv', place, {})
    archive.write(tarEntry({ path: './config', flag: '5' }))
    rmSync(join(place, 'srv/config'), { recursive: true })
    symlinkSync(home, join(place, 'srv/config'))
    archive.end(tarArchive({ path: './config/authorized_keys', content: 'of the guest' }))
    await copy
    expectHomeUntouched()
  })
})

describe('an archive of a guest', () => {
  it.each<readonly [string, readonly TarEntry[]]>([
    ['that goes up', [{ path: '../../home/authorized_keys', content: 'x' }]],
    ['that goes up later', [{ path: 'a/../../../home/authorized_keys', content: 'x' }]],
    ['of a directory above', [{ path: './..', flag: '5', mode: 0o777 }]],
    ['that is a hard link to a file above', [{ path: 'k', flag: '1', target: '../../home/keys' }]],
  ])('has no name %s', async (_what, entries) => {
    await expect(send(...entries)).rejects.toThrow('which leads out of the copy')
    expectHomeUntouched()
    expect(readdirSync(place)).toEqual([])
  })

  it('has no way through a symlink of its own, also not for hard links', async () => {
    const link: TarEntry = { path: './out', flag: '2', target: home }
    for (const second of [
      { path: './out/authorized_keys', content: 'x' },
      { path: './out', flag: '5', mode: 0o777 },
      { path: './out/made/by/guest', flag: '5' },
      { path: './k', flag: '1', target: 'out/keys' },
      { path: './k', flag: '1', target: join(home, 'keys') },
    ]) {
      await expect(send(link, second)).rejects.toMatchObject({ name: 'FileError' })
      expectHomeUntouched()
      expect(readdirSync(place)).toEqual([])
    }
    // A file of the link's name takes its place, and a hard link to the link is another link.
    await send(link, { path: './k', flag: '1', target: './out' }, { ...link, flag: '0' })
    expectHomeUntouched()
    expect(lstatSync(join(place, 'srv/k')).isSymbolicLink()).toBe(true)
    expect(lstatSync(join(place, 'srv/out')).isFile()).toBe(true)
  })

  it('makes absolute names in the copy', async () => {
    await send({ path: join(home, 'authorized_keys'), content: 'x' })
    expectHomeUntouched()
    expect(existsSync(join(place, 'srv', home, 'authorized_keys'))).toBe(true)
  })

  it('brings no devices and no FIFOs, and the record says so', async () => {
    needsRoot('could make devices')
    const archive = tarArchive(
      { path: './', flag: '5' },
      { path: './disk', flag: '4', mode: 0o666 },
      { path: './null', flag: '3', mode: 0o666 },
      { path: './pipe', flag: '6', mode: 0o666 },
      { path: './file', content: 'x' },
    )
    const guest = guestWith('directory', '755', archive)
    await copyToHost(guest, '/srv', place, {})
    expect(readdirSync(join(place, 'srv'))).toEqual(['file'])
    expect(guest.recorder.events).toContainEqual(
      expect.objectContaining({
        kind: 'note',
        text: 'left out of the copy of /srv: 3 devices and FIFOs ("./disk", "./null", "./pipe")',
      }),
    )
  })

  it('brings no set-user-ID, set-group-ID or sticky bits', async () => {
    await send(
      { path: './', flag: '5', mode: 0o7755 },
      { path: './dir', flag: '5', mode: 0o7755 },
      { path: './file', mode: 0o7755, content: 'x' },
    )
    const mode = (path: string): string => (lstatSync(join(place, path)).mode & 0o7777).toString(8)
    expect(['srv', 'srv/dir', 'srv/file'].map(mode)).toEqual(['755', '755', '755'])
    await copyToHost(guestWith('regular file', '7777', 'x'), '/srv/program', place, {})
    expect(mode('program')).toBe('777')
  })

  it('changes nothing of a directory that is there but the names in it', async () => {
    mkdirSync(join(place, 'srv/mine'), { recursive: true, mode: 0o700 })
    writeFileSync(join(place, 'srv/mine/file'), 'of the user')
    await send({ path: './mine', flag: '5', mode: 0o777 }, { path: './mine/other', content: 'x' })
    expect(statSync(join(place, 'srv/mine')).mode & 0o777).toBe(0o700)
    expect(readFileSync(join(place, 'srv/mine/file'), 'utf8')).toBe('of the user')
    await expect(send({ path: './mine', content: 'a file' })).rejects.toMatchObject({
      code: 'EISDIR',
    })
    expect(readdirSync(join(place, 'srv/mine'))).toEqual(['file', 'other'])
  })

  it('may be followed by zeros, as many as its writer likes', async () => {
    const archive = [
      tarArchive({ path: './file', content: 'whole' }),
      ...Array.from({ length: 64 }, () => Buffer.alloc(1 << 16)),
    ]
    await copyToHost(guestWith('directory', '755', archive), '/srv', place, {})
    expect(readFileSync(join(place, 'srv/file'), 'utf8')).toBe('whole')
  })

  const whole = tarArchive({ path: './file', content: 'x'.repeat(5000) })
  const lies: readonly (readonly [string, Buffer, string])[] = [
    ['ends in a header', whole.subarray(0, 300), 'ends in the middle'],
    ['ends in a content', whole.subarray(0, 3000), 'ends in the middle'],
    ['ends before its end', whole.subarray(0, 5632), 'ends in the middle'],
    ['is none', Buffer.alloc(4096, 'x'), 'is no archive'],
    ['is of another sum', Buffer.from(whole).fill('z', 0, 1), 'is no archive'],
    [
      'has a name without an end',
      tarEntry({ path: 'x', flag: 'L', size: 2 ** 33 - 1 }),
      'a name of',
    ],
    ['has a type of its own', tarEntry({ path: 'x', flag: 'x' }), 'unknown type "x"'],
    [
      'has a size of words',
      sealed(Buffer.from(whole.subarray(0, 512)).fill('9', 124, 135)),
      'no number',
    ],
    [
      'has a size that no file has',
      sealed(Buffer.from(whole.subarray(0, 512)).fill(0xff, 125, 136).fill(0x80, 124, 125)),
      'too large',
    ],
    [
      'is too deep',
      tarArchive({ path: 'L', flag: 'L', content: 'd/'.repeat(1000) }, { path: 'x' }),
      'directories one in another',
    ],
    [
      'has a path that is too long',
      tarArchive(
        { path: 'L', flag: 'L', content: `${'d'.repeat(250)}/`.repeat(16) + 'd'.repeat(60) },
        { path: 'x' },
      ),
      'has no room',
    ],
    [
      'has a name that is too long',
      tarArchive({ path: 'L', flag: 'L', content: 'd'.repeat(300) }, { path: 'x' }),
      'ENAMETOOLONG',
    ],
  ]
  it.each(lies)('that %s fails with the reason, and leaves nothing', async (_how, bytes, why) => {
    const before = openDescriptors()
    const copy = copyToHost(guestWith('directory', '755', bytes), '/srv', place, {})
    await expect(copy).rejects.toMatchObject({
      name: 'FileError',
      message: expect.stringContaining(why),
    })
    expect(readdirSync(place)).toEqual([])
    expect(openDescriptors()).toBe(before)
  })

  it('that is cut off since the guest could not read on fails with the guest’s reason', async () => {
    const guest = scriptedGuest((script) =>
      script.includes(' stat ')
        ? { stdout: 'directory/755\n' }
        : { stdout: whole.subarray(0, 600), status: 1, stderr: 'tar: x: Input/output error' },
    )
    await expect(copyToHost(guest, '/srv', place, {})).rejects.toMatchObject({ code: 'EIO' })
    expect(readdirSync(place)).toEqual([])
  })
})

describe('a copy that is given up while the guest sends on', () => {
  it.each(['write', 'unpack'] as const)(
    'leaves nothing, and ends before its descriptors do: %s',
    async (how) => {
      const before = openDescriptors()
      const content = new PassThrough()
      let writing: Promise<unknown>
      {
        await using copy = new HostCopy(place, 'srv')
        writing = how === 'write' ? copy.write(content, 0o644) : copy.unpack(content)
        writing.catch(() => {})
        content.write(tarEntry({ path: './file', size: 1 << 20 }))
        await vi.waitFor(() => expect(content.readableLength).toBe(0))
      }
      await expect(writing).rejects.toThrow('Premature close')
      expect(content.destroyed).toBe(true)
      expect(readdirSync(place)).toEqual([])
      expect(openDescriptors()).toBe(before)
    },
  )
})

describe('the name of a copy', () => {
  it.each(['/srv/..', '/srv/.', '/..', '/'])('cannot be that of %s', async (source) => {
    const archive = tarArchive({ path: './authorized_keys', content: 'x' })
    const copy = copyToHost(guestWith('directory', '755', archive), source, place, {})
    await expect(copy).rejects.toThrow(RangeError)
    expect(readdirSync(place)).toEqual([])
    expect(existsSync(join(place, '../authorized_keys'))).toBe(false)
  })
})

describe('a file of the driver’s beside a copy', () => {
  /** What a copy may have left where the driver writes. */
  function plant(name: string): string {
    const path = join(place, name)
    symlinkSync(join(home, 'keys'), path)
    return path
  }

  it('is not written through a symlink: a capture', () => {
    const clock: Clock = { later: () => () => {}, now: () => 0 }
    expect(() => new PcapFile(plant('all.pcap'), clock)).toThrow('ELOOP')
    expectHomeUntouched()
  })

  it('is not written through a symlink: a screenshot', async () => {
    const png = join(place, 'dump')
    const guest = {
      ...guestWith('directory', '755'),
      qemu: { folder: place },
      qmp: async (_command: string, { filename }: { readonly filename: string }) =>
        writeFileSync(filename, 'a picture'),
    } as unknown as Guest
    const artifacts = Artifacts.create(place, 'machine')
    const screen = new Screen(guest, artifacts)
    await expect(screen.screenshot(plant('screen.png'))).rejects.toThrow('ELOOP')
    symlinkSync(join(home, 'keys'), artifacts.file('screenshot-1.png'))
    await expect(screen.screenshot()).rejects.toThrow('ELOOP')
    await screen.screenshot(png)
    expect(readFileSync(png, 'utf8')).toBe('a picture')
    expectHomeUntouched()
  })

  it('is not in a folder that a symlink leads to, whatever the machine’s name', () => {
    symlinkSync(home, join(place, 'machine'))
    expect(Artifacts.create(place, 'machine').path).toBe(join(place, 'machine-2'))
    for (const name of ['..', '.', '', '/', '../../home', '../home/x', 'a\0b']) {
      const { path } = Artifacts.create(place, name)
      expect([name, dirname(path)]).toEqual([name, place])
    }
    expectHomeUntouched()
  })
})
