import { chmodSync, closeSync, mkdtempSync, openSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { listxattr } from '../../src/sys/xattr.ts'
import { quote } from '../../src/util/shell.ts'
import { bootMachine, newest, sh } from '../support/vm-machine.ts'

/** Makes one of everything in the directory `$1`, and changes it afterwards. */
const make = `cd $1 || exit
  umask 022
  mkdir d && chown 5:6 d && chmod 2775 d
  echo text > f && chown 1000:1001 f && chmod 4711 f
  echo text > g && chmod 0000 g
  ln -s some/where l && chown -h 7:8 l
  mknod c c 1 3 && chown 9:10 c
  mknod b b 300 70000
  mkfifo p && chmod 600 p
  ln f d/link
  mv g d/moved`

/** All that stat(1) knows of the files in \`$1\` but for what no two mounts have in common. */
const list = `cd $1 || exit
  for name in d f l c b p d/link d/moved; do
    stat -c '%n %F %f %u %g %t %T %h' $name || exit
    if [ -L $name ]; then readlink $name; elif [ -f $name ]; then cat $name; fi
  done`

it('is the format of QEMU’s own server, in both directions', async () => {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'lowerdir-test-')))
  chmodSync(folder, 0o755)
  try {
    const shared = { target: '/ours', readOnly: false, owner: 'mapped-xattr' } as const
    const device = 'virtio-9p-pci,fsdev=theirs,mount_tag=theirs'
    await using machine = await bootMachine(
      {
        shares: [{ source: folder, ...shared }],
        qemuArguments: [
          '-fsdev',
          `local,id=theirs,path=${folder},security_model=mapped-xattr`,
          '-device',
          device,
        ],
      },
      newest,
    )
    const mounted = await sh(
      machine,
      `mkdir /theirs && mount -t 9p -o trans=virtio,version=9p2000.L theirs /theirs &&
       mkdir /ours/by-us /theirs/by-qemu`,
    )
    expect(mounted).toEqual({ status: 0, stdout: '', stderr: '' })

    for (const [writer, reader, name] of [
      ['/ours', '/theirs', 'by-us'],
      ['/theirs', '/ours', 'by-qemu'],
    ]) {
      const at = (place: string | undefined, script: string): ReturnType<typeof sh> =>
        sh(machine, `set -- ${place}/${name}\n${script}`)
      expect(await at(writer, make)).toEqual({ status: 0, stdout: '', stderr: '' })
      const [written, read] = [await at(writer, list), await at(reader, list)]
      expect(written).toMatchObject({ status: 0, stderr: '' })
      expect(read).toEqual(written)
      expect(written.stdout.split('\n').slice(0, 3)).toEqual([
        'd directory 45fd 5 6 0 0 2',
        'f regular file 89c9 1000 1001 0 0 2',
        'text',
      ])
      expect(written.stdout).toContain('\nc character special file 21a4 9 10 1 3 1\n')
      expect(written.stdout).toContain('\nb block special file 61a4 0 0 12c 11170 1\n')
      expect(written.stdout).toContain('\nl symbolic link a1ff 7 8 0 0 1\nsome/where\n')
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
})

it('gives programs of a guest file capabilities, as setcap(8) does, and none on the host', async () => {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'lowerdir-test-')))
  chmodSync(folder, 0o755)
  try {
    const shared = { target: '/ours', readOnly: false, owner: 'mapped-xattr' } as const
    await using machine = await bootMachine({ shares: [{ source: folder, ...shared }] }, newest)
    const xattr = fileURLToPath(new URL('../../dist/sys/xattr.js', import.meta.url))
    // CAP_DAC_READ_SEARCH, permitted and effective (struct vfs_cap_data, version 2).
    const capability = '0100000204000000000000000000000000000000'
    const set = `import { setxattr } from '${xattr}'
      import { openSync } from 'node:fs'
      const value = Buffer.from('${capability}', 'hex')
      setxattr(openSync('/ours/cat', 'r'), 'security.capability', value, 0)`
    const read = 'setpriv --reuid 1000 --regid 1000 --clear-groups /ours/cat /ours/secret'
    const { stdout, stderr } = await sh(
      machine,
      `chmod 755 /ours && cp /bin/cat /ours/cat && chmod 755 /ours/cat
       echo secret > /ours/secret && chmod 600 /ours/secret
       ${read} 2>&1; node --input-type=module --eval ${quote(set)}; ${read}; echo >> /ours/cat; ${read} 2>&1`,
    )
    const refused = '/ours/cat: /ours/secret: Permission denied\n'
    expect([stdout, stderr]).toEqual([`${refused}secret\n${refused}`, ''])
    const fd = openSync(join(folder, 'cat'), 'r')
    expect(listxattr(fd).toString()).not.toContain('security.')
    closeSync(fd)
  } finally {
    rmSync(folder, { recursive: true })
  }
})
