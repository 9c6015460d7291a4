import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, it, vi } from 'vitest'
import { CHILD, OWNER } from '../../src/machine/reaper.ts'
import { FolderProcesses, makeFolder } from '../support/folder-processes.ts'
import { temporaryDirectory } from '../support/temporary.ts'
import { processesOf } from '../support/vm-cli.ts'

const processes = new FolderProcesses()

afterEach(() => {
  processes[Symbol.dispose]()
})

const reaper = new URL('../../dist/machine/reaper.js', import.meta.url).href

/** The reaper of what is in `parent` has done all that it does. */
async function reaped(parent: string): Promise<void> {
  await vi.waitFor(() => expect(processesOf(`lowerdir-reaper\0${parent}`)).toEqual([]))
}

it('removes the folders of a killed process, and no others', async () => {
  const parent = temporaryDirectory()
  const child = await processes.withReaper(parent, '0.1.17.4711')
  const [left, ...others] = [
    makeFolder(join(parent, "vm-it's"), { [OWNER]: '0.1.17.4711', socket: '' }),
    makeFolder(join(parent, 'vm-another'), { [OWNER]: '0.1.17.4712' }),
    makeFolder(join(parent, 'vm-kept'), { socket: '' }),
    makeFolder(join(parent, 'of something else'), { [OWNER]: '0.1.17.4711' }),
  ]
  child.kill('SIGKILL')
  await reaped(parent)
  expect(existsSync(left)).toBe(false)
  for (const other of others) expect(existsSync(other)).toBe(true)
})

it('ends processes that it has left running, unless their ids are used again', async () => {
  const parent = temporaryDirectory()
  const child = await processes.withReaper(parent, '0.1.17.4711')
  const sleepers = [0, 1].map(() => processes.own(spawn('sleep', ['1000'])))
  const [ours, stranger] = sleepers.map(({ pid }) => pid!)
  makeFolder(join(parent, 'vm-1'), {
    [OWNER]: '0.1.17.4711',
    [CHILD]: `0.1.${ours}.${startTime(ours!)}`,
  })
  makeFolder(join(parent, 'vm-2'), { [OWNER]: '0.1.17.4711', [CHILD]: `0.1.${stranger}.1` })
  const [ended, strangersEnd] = sleepers.map((each) => once(each, 'exit'))
  child.kill('SIGKILL')
  expect((await ended!)[1]).toBe('SIGKILL')
  await reaped(parent)
  expect(readdirSync(parent)).toEqual([])
  // It ends by this signal, and so it has not got another one before.
  sleepers[1]!.kill('SIGTERM')
  expect((await strangersEnd!)[1]).toBe('SIGTERM')
})

it('keeps no process from ending', async () => {
  const program = `
    import { startReaper } from ${JSON.stringify(reaper)}
    startReaper(${JSON.stringify(temporaryDirectory())}, '1 1')`
  const child = processes.own(spawn(process.execPath, ['--input-type=module', '-e', program]))
  expect((await once(child, 'exit'))[0]).toBe(0)
})

function startTime(pid: number): string {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]!
}
