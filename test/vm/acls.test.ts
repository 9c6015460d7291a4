import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { quote } from '../../src/util/shell.ts'
import { bootMachine, newest, oldest, sh } from '../support/vm-machine.ts'

const xattr = fileURLToPath(new URL('../../dist/sys/xattr.js', import.meta.url))

/** u::rw- u:1000:r-- g::--- m::r-- o::---, as setfacl(1) stores it, and with another mask. */
const aclWith = (mask: string): string =>
  `0200000001000600ffffffff02000400e803000004000000ffffffff10000${mask}00ffffffff20000000ffffffff`
const acl = aclWith('4')

/** Sets ACLs in each directory of its arguments, and prints what reads back. */
const script = `
import { getxattr, setxattr } from '${xattr}'
import { chmodSync, mkdirSync, openSync, statSync, writeFileSync } from 'node:fs'
const [ACCESS, DEFAULT] = ['system.posix_acl_access', 'system.posix_acl_default']
const tried = (act) => { try { return act() } catch (error) { return error.message } }
const get = (path, name) => tried(() => Buffer.from(getxattr(openSync(path, 'r'), name)).toString('hex'))
const set = (path, name) => tried(() => setxattr(openSync(path, 'r'), name, Buffer.from('${acl}', 'hex'), 0) ?? 'set')
process.umask(0o077)
for (const d of process.argv.slice(1)) {
  writeFileSync(d + '/f', 'secret\\n')
  mkdirSync(d + '/d')
  const sets = [set(d + '/f', ACCESS), set(d + '/d', DEFAULT)]
  const gets = [get(d + '/f', ACCESS), get(d + '/d', DEFAULT)]
  const mode = (statSync(d + '/f').mode & 0o777).toString(8)
  writeFileSync(d + '/d/g', '', { mode: 0o666 })
  const inherited = get(d + '/d/g', ACCESS)
  chmodSync(d + '/d/g', 0o600)
  console.log(JSON.stringify({ sets, gets, mode, inherited, masked: get(d + '/d/g', ACCESS) }))
}`

const shares = [
  { name: 'none', cache: 'none', owner: 'host', acls: true },
  { name: 'mmap', cache: 'mmap', owner: 'host', acls: true },
  { name: 'loose', cache: 'loose', owner: 'host', acls: true },
  { name: 'mapped', cache: 'mmap', owner: 'mapped-xattr', acls: true },
  { name: 'without', cache: 'mmap', owner: 'host', acls: false },
] as const

it.each([oldest, newest])(
  'are whole where they are asked for, in every cache mode: %o',
  async (kind) => {
    const folder = realpathSync(mkdtempSync(join(tmpdir(), 'lowerdir-test-')))
    chmodSync(folder, 0o755)
    try {
      for (const { name } of shares) mkdirSync(join(folder, name))
      await using machine = await bootMachine(
        {
          shares: shares.map(({ name, ...how }) => ({
            source: join(folder, name),
            target: `/${name}`,
            readOnly: false,
            ...how,
          })),
        },
        kind,
      )
      const targets = shares.map(({ name }) => `/${name}`).join(' ')
      const { stdout, stderr } = await sh(
        machine,
        `node --input-type=module --eval ${quote(script)} ${targets}`,
      )
      expect(stderr).toBe('')
      const found = stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as object)
      const whole = {
        sets: ['set', 'set'],
        gets: [acl, acl],
        mode: '640',
        inherited: acl,
        masked: aclWith('0'),
      }
      expect(found.slice(0, 4)).toEqual([whole, whole, whole, whole])
      const refused = 'setxattr: EOPNOTSUPP'
      expect(found[4]).toMatchObject({ sets: [refused, refused] })
      // Linux before 6.2 has changed the mode before it asks for the ACL (docs/conformance.md).
      expect(found[4]).toMatchObject({ mode: kind === oldest ? '640' : '600' })

      const read = await sh(
        machine,
        `for name in none mmap loose mapped without; do
         chmod 755 /$name && setpriv --reuid 1000 --regid 1000 --clear-groups cat /$name/f
       done`,
      )
      expect(read.stdout).toBe('secret\n'.repeat(4))
      expect(read.stderr.match(/Permission denied/g)).toHaveLength(1)
    } finally {
      rmSync(folder, { recursive: true })
    }
  },
)
