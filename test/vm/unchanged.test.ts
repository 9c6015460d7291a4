import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ordinaryId } from '../support/ordinary-user.ts'
import { Cli, MAIN } from '../support/vm-cli.ts'
import { newest, vmQemu } from '../support/vm-machine.ts'
import { Stage } from '../support/vm-stage.ts'
import { makeTree, treeState } from '../support/vm-tree.ts'

const stage = new Stage()
afterAll(() => stage[Symbol.dispose]())

/** What a guest does to the tree; every line must work. */
const havoc = (path: string): string => `set -e; cd "${path}"
rm -r "folder 0"
rm -r "folder 1"/*
for file in "folder 2"/file-*; do echo more >> "$file"; done
for file in "folder 3"/file-*; do : > "$file"; done
chmod -R a+rwx "folder 4"
chown -R 12:34 "folder 5"
mv "folder 6" "moved"
mv "folder 7/file-1" "folder 8/file-2"
ln "folder 9/file-1" "folder 9/another"
ln -sf elsewhere dangling
touch -d 2001-01-01 "folder 10"/*
printf X | dd of=hole bs=1 seek=5000000 conv=notrunc status=none
rm program; mkdir program; echo new > program/file
mkdir -p new/deeper; cp -r "folder 11" new/deeper
truncate -s 5 "folder 12/file-9"
mv "folder 13" "folder 14/inside"
for i in $(seq 100); do echo $i > "new/$i"; done
sync
ls -R | wc -l
echo done`

const people = [
  ['root', 0, 'tcp'],
  ['an ordinary user', ordinaryId, 'virtiofs'],
] as const

beforeAll(async () => void (await vmQemu(newest.qemu)))

describe.each(people)('a run on / by %s (%i), over %s', (who, uid, transport) => {
  it('leaves the host as it is, its own files and root’s', async () => {
    const mine = join(uid === 0 ? stage.shared : stage.home, `mine-${uid}`)
    const roots = join(stage.shared, `roots-${uid}`)
    makeTree(mine, uid, [0o644, 0o600, 0o755, 0o444, 0o4755])
    // To be copied up, a file must be readable to the server's user.
    makeTree(roots, 0, [0o644, 0o755, 0o444])
    const before = [treeState(mine), treeState(roots)]
    const script = `(${havoc(mine)}) && (${havoc(roots)})`
    const args = ['run', '--transport', transport, '--', 'sh', '-c', script]
    await using cli = uid === 0 ? Cli.start(args) : Cli.staged(stage.node([MAIN, ...args]))
    const { status, stdout, stderr } = await cli.end()
    expect(stderr).not.toContain('cannot')
    expect(
      stdout
        .toString()
        .split('\n')
        .filter((line) => line === 'done'),
    ).toHaveLength(2)
    expect([who, status]).toEqual([who, 0])
    expect([treeState(mine), treeState(roots)]).toEqual(before)
  })
})
