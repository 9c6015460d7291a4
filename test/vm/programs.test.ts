import { cpSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type CacheMode, cacheModes } from '../../src/guest/mount.ts'
import type { QemuMachine } from '../../src/machine/qemu-machine.ts'
import { bootMachine, newest, oldest, sh } from '../support/vm-machine.ts'
import { programsRoot } from '../support/vm-programs.ts'

/** Seconds that a program may take; compilers and git are slow in an emulated guest. */
const PROGRAM_SECONDS = 280

const sources = fileURLToPath(new URL('programs', import.meta.url))

/** A repository is made, grows, is cloned and packed; then nothing is missing and nothing changed. */
const git = (folders: number): string => `
export HOME=/tmp GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
export GIT_CONFIG_COUNT=2 GIT_CONFIG_KEY_0=init.defaultBranch GIT_CONFIG_VALUE_0=main
export GIT_CONFIG_KEY_1=gc.auto GIT_CONFIG_VALUE_1=0
git init -q work && cd work
for d in $(seq ${folders}); do
  mkdir -p "folder $d"
  for f in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    echo "file $f of $d" >"folder $d/file $f"
  done
done
git add . && git commit -q -m first
git mv 'folder 1' moved && echo more >>'folder 2/file 2' && rm 'folder 3/file 3'
git commit -q -a -m second
test -z "$(git status --porcelain)"
git gc -q && git fsck --strict
cd .. && git clone -q work copy && cd copy
test -z "$(git status --porcelain)"
git checkout -q HEAD~1 && test -e 'folder 1/file 1' && git checkout -q main && test -e 'moved/file 1'
git ls-files | wc -l
`

/** A program of two files, built, changed, built again, and built no more than needed. */
const build = `
# The guest's clock may be up to a second behind the host's, which make finds worth a warning.
build() {
  make -s CC=gcc "$@" 2>/tmp/complaints || { cat /tmp/complaints; return 1; }
  ! grep -v 'Clock skew\\|in the future' /tmp/complaints
}
build && ./shared mapped
# What was built is an hour old, so that a file that is touched is newer in whole seconds.
find . -type f -exec touch -d '1 hour ago' {} +
before=$(stat -c %Y main.o)
touch mapping.h
build
test $(stat -c %Y main.o) -gt $before
build clean
test ! -e shared
`

/** Two processes write to one database, in a transaction for each row, and neither loses any. */
const sqlite = (journal: string): string => `
sqlite3 data.db 'pragma journal_mode=${journal}; create table t(who, i);'
writer() {
  i=0
  while [ $i -lt 25 ]; do
    echo "insert into t values('$1', $i);"
    i=$((i + 1))
  done | sqlite3 -bail -cmd '.timeout 60000' data.db
}
writer a & first=$!
writer b & second=$!
wait $first && wait $second
sqlite3 data.db 'select who, count(distinct i) from t group by who; pragma integrity_check;'
`

describe.each([oldest, newest])(
  'on a share, with Linux of Debian $kernel, over $transport on QEMU of Debian $qemu',
  (kind) => {
    let folder: string
    let machine: QemuMachine
    // git trusts only repositories that the user owns.
    const owner = { uid: 0, gid: 0 }

    beforeAll(async () => {
      folder = realpathSync(mkdtempSync(join(tmpdir(), 'lowerdir-test-')))
      const shares = cacheModes.map((cache) => {
        const source = join(folder, cache)
        mkdirSync(source)
        return { source, target: `/share-${cache}`, readOnly: false, owner, cache } as const
      })
      machine = await bootMachine({ root: await programsRoot(), shares, memoryMiB: 768 }, kind)
    })

    afterAll(async () => {
      await machine[Symbol.asyncDispose]()
      rmSync(folder, { recursive: true })
    })

    /** Runs a script in a directory of a share. */
    function inShare(cache: CacheMode, name: string, script: string): ReturnType<typeof sh> {
      mkdirSync(join(folder, cache, name), { recursive: true })
      return sh(machine, `cd /share-${cache}/${name} && set -e\n${script}`, PROGRAM_SECONDS)
    }

    it.each(['none', 'loose'] as const)('git keeps a repository, cache=%s', async (cache) => {
      // The oldest QEMU takes ten times as long for a request as the newest.
      const folders = kind === oldest ? 3 : 10
      const { status, stdout, stderr } = await inShare(cache, 'git', git(folders))
      const files = folders * 20 - 1
      expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: `${files}\n`, stderr: '' })
    })

    it.each(['mmap', 'loose'] as const)(
      'make and gcc build what maps memory, cache=%s',
      async (cache) => {
        cpSync(sources, join(folder, cache, 'build'), { recursive: true })
        const { status, stdout, stderr } = await inShare(cache, 'build', build)
        expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: 'shared\n', stderr: '' })
        const mapped = readFileSync(join(folder, cache, 'build', 'mapped'), 'latin1')
        const found = [mapped.slice(100, 106), mapped.slice(4096, 4101), mapped.slice(8000, 8007)]
        expect(found).toEqual(['mapped', 'first', 'written'])
      },
    )

    it.each([
      ['none', 'delete'],
      ['mmap', 'delete'],
      ['loose', 'delete'],
      ['mmap', 'wal'],
      ['loose', 'wal'],
    ] as const)('SQLite keeps a database, cache=%s, journal_mode=%s', async (cache, journal) => {
      const { status, stdout, stderr } = await inShare(cache, journal, sqlite(journal))
      const expected = `${journal}\na|25\nb|25\nok\n`
      expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: expected, stderr: '' })
    })

    it('SQLite has no write-ahead log without shared mappings', async () => {
      const { status, stderr } = await inShare('none', 'wal', sqlite('wal'))
      expect(status).toBe(10)
      expect(stderr).toContain('disk I/O error')
    })
  },
)
