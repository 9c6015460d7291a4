import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { runProgram } from '../../src/util/program.ts'
import { isolated } from '../../src/provision/root/isolated.ts'
import { built } from '../support/ordinary-user.ts'
import { needsRoot } from '../support/temporary.ts'
import { processesOf } from '../support/vm-cli.ts'
import { temporaryFolder } from './folder.ts'

async function run(script: string): Promise<{ root: string; stdout: string }> {
  needsRoot('mounts')
  const root = await temporaryFolder()
  for (const name of ['dev', 'proc']) await mkdir(join(root, name))
  const { status, stdout, stderr } = await runProgram(
    ...isolated(root, ['sh', '-c', script, 'sh', root]),
  )
  expect([status, stderr]).toEqual([0, ''])
  return { root, stdout }
}

test("a root's set-up sees its own processes, devices and environment, and no network", async () => {
  const { stdout } = await run(`
    echo $$ $(ls "$1/proc" | grep -c '^[0-9]*$')
    echo lost >"$1/dev/null" && ls "$1/dev/null" >/dev/null && head -c 2 "$1/dev/zero" | wc -c
    env | grep -v -e ^HOME= -e ^PATH= -e ^PWD= -e ^SHLVL= -e ^_= | sort
    umask
    grep -o '[^ ]*:' "$1/proc/net/dev"`)
  expect(stdout.split('\n')).toEqual([
    expect.stringMatching(/^1 \d$/) as string,
    '2',
    'DEBCONF_NONINTERACTIVE_SEEN=true',
    'DEBIAN_FRONTEND=noninteractive',
    'LC_ALL=C.UTF-8',
    '0022',
    'lo:',
    '',
  ])
})

test('its mounts and what it leaves running end with it', async () => {
  const { root, stdout } = await run('sh -c "sleep 600; :" "$1" & cat /proc/mounts')
  expect(stdout).toContain(`${root}/proc`)
  expect(readFileSync('/proc/mounts', 'utf8')).not.toContain(root)
  expect(processesOf(root)).toEqual([])
})

test('it ends with the process that has started it, also when it prints nothing', async () => {
  const root = await temporaryFolder()
  for (const name of ['dev', 'proc']) await mkdir(join(root, name))
  const script = `
    const { isolated } = await import(${JSON.stringify(built('provision/root/isolated.js'))})
    const { runProgram } = await import(${JSON.stringify(built('util/program.js'))})
    const [command, args] = isolated(${JSON.stringify(root)}, ['sh', '-c', 'echo up >&3; sleep 600; :'])
    await runProgram(command, args, { onStatusLine: (line) => console.log(line) })`
  const starter = spawn(process.execPath, ['--input-type=module', '--eval', script])
  await once(starter.stdout, 'data')
  expect(processesOf(root).length).toBeGreaterThan(1)
  starter.kill('SIGKILL')
  await once(starter, 'exit')
  await expect.poll(() => processesOf(root)).toEqual([])
})
