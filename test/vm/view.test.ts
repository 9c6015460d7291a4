import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { serveDirectory } from '../support/directory-server.ts'
import { temporaryDirectory } from '../support/temporary.ts'
import { lowerdir } from '../support/vm-cli.ts'
import { bootMachine, sh } from '../support/vm-machine.ts'

describe('a guest of a view', () => {
  it('sees nothing else, and its programs get an errno that they understand', async () => {
    const shared = temporaryDirectory()
    mkdirSync(join(shared, 'a/d/.git'), { recursive: true })
    mkdirSync(join(shared, 'part/d'), { recursive: true })
    for (const path of ['a/d/file', 'a/d/.git/config', 'part/d/keep', 'part/d/secret', 'other']) {
      writeFileSync(join(shared, path), `${path}\n`)
    }
    const only = ['a', 'b', 'part/d']
    await using server = await serveDirectory(shared, { only, hide: ['**/.git', 'part/d/secret'] })
    const share = { socket: server.socketPath, target: '/share', readOnly: false }
    await using machine = await bootMachine({
      // Where these are symlinks into usr, they are shown as such.
      rootView: { only: ['bin', 'lib', 'lib64', 'usr', 'etc/passwd'], hide: ['usr/share'] },
      shares: [share],
    })

    const root = await sh(
      machine,
      'ls /etc; ls -d /usr/bin /usr/share /var; touch /usr/share; ls /usr',
    )
    const names = root.stdout.split('\n')
    // /etc/hosts is the guest's own: it has its name.
    expect(names.slice(0, 3)).toEqual(['hosts', 'passwd', '/usr/bin'])
    expect(root.stderr).toMatch(/\/usr\/share.*No such file/)
    expect(root.stderr).toMatch(/\/var.*No such file/)
    // The lower layer hides the name, and the upper one is the guest's own.
    expect(names).toContain('share')

    const { stdout, stderr } = await sh(
      machine,
      `cd /share
      ls -A . a/d part/d
      touch other || echo no other
      mkdir a/d/.git || echo no .git
      ln a/d/file part/x || echo no link
      mv a/d/file part/d/secret || echo no secret
      mv a/d b && cat b/file
      cd b && ls -A .. && mv ../part/d . && ls d`,
    )
    const lists = '.:|a|part||a/d:|file||part/d:|keep'
    const refusals = 'no other|no .git|no link|no secret'
    expect(stdout.split('\n').join('|')).toBe(`${lists}|${refusals}|a/d/file|a|b|part|`)
    expect(stderr.match(/Operation not permitted/g)?.length).toBe(4)
    // It went as far as a copy goes.
    expect(stderr).toMatch(/not empty/i)
    expect(readdirSync(join(shared, 'b/.git'))).toEqual(['config'])
    expect(readdirSync(join(shared, 'part/d'))).toEqual(['secret'])
  })

  it('is run by the command line, in a folder that there is', async () => {
    const cwd = temporaryDirectory()
    const view = ['usr', 'bin', 'lib', 'lib64'].map((path) => `--only=${path}`)
    const script =
      'pwd; test -e /etc/passwd || echo hidden; test -e /lib/modules/$(uname -r)/modules.dep && echo modules'
    const args = ['run', ...view, '--hide', 'usr/lib/modules', '--', 'sh', '-c', script]
    const { status, stdout } = await lowerdir(args, { cwd })
    expect([status, stdout.toString()]).toEqual([0, '/\nhidden\nmodules\n'])
  })
})
