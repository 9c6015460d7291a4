import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { temporaryDirectory } from '../support/temporary.ts'
import { bootTested } from '../support/vm-boot.ts'
import { Cli } from '../support/vm-cli.ts'

/** The arguments of a device, as `serve` prints them for QEMU. */
function deviceArguments(printed: string): string[] {
  const line = /^# +(-chardev .* -device vhost-user-fs-pci,.*)$/m.exec(printed)?.[1]
  if (line === undefined) throw new Error(`there is no device in:\n${printed}`)
  return line.split(' ')
}

it('a guest mounts what `serve` and `virtiofsd` serve, with the arguments that `serve` prints', async () => {
  const folder = temporaryDirectory()
  const shared = ['read', 'written'].map((name) => join(folder, name))
  const sockets = ['first', 'second'].map((name) => join(folder, name))
  for (const directory of shared) {
    mkdirSync(directory)
    writeFileSync(join(directory, 'file'), 'content\n')
  }
  const [source = '', target = ''] = shared
  const [first = '', second = ''] = sockets
  const listen = `virtiofs:${first},tag=src,cache=always`
  await using serve = Cli.start(['serve', source, '--read-only', '--listen', listen])
  await serve.printed('mount -t virtiofs')
  const device = deviceArguments(serve.stdout)
  const again = device.map((each) =>
    each.replaceAll('fs-src', 'fs-out').replace('tag=src', 'tag=out').replace(first, second),
  )
  await using virtiofsd = Cli.program('virtiofsd', [
    `--socket-path=${second}`,
    `--shared-dir=${target}`,
    '--xattr',
    '--cache=never',
    '--translate-uid=map:0:1000:1',
    '--translate-gid=map:0:100:1',
  ])
  await virtiofsd.printed('virtiofsd: serving')
  {
    await using vm = await bootTested({
      transport: 'virtiofs',
      qemuArguments: [...device, ...again],
    })
    const [mount = ''] = /^mount -t virtiofs .*$/m.exec(serve.stdout) ?? []
    await vm.succeed(`${mount} && mkdir /tmp/out && mount -t virtiofs out /tmp/out`)
    expect(await vm.succeed('cat /mnt/file /tmp/out/file')).toBe('content\ncontent\n')
    expect(await vm.succeed('grep " /mnt " /proc/mounts')).toContain('src /mnt virtiofs ro,noatime')
    await vm.fail('touch /mnt/new')
    await vm.succeed('echo from the guest > /tmp/out/new && chmod 640 /tmp/out/new')
    expect((await vm.succeed('stat -c "%u:%g %a" /tmp/out/new')).trim()).toBe('0:0 640')
    await vm.succeed('umount /mnt && umount /tmp/out')
  }
  expect(readFileSync(join(target, 'new'), 'utf8')).toBe('from the guest\n')
  expect(statSync(join(target, 'new'))).toMatchObject({ uid: 1000, gid: 100, mode: 0o100640 })
  expect((await virtiofsd.end()).status).toBe(0)
  // The other one waits for the next guest.
  expect(serve.child.exitCode).toBe(null)
})
