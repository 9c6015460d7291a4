import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, it, vi } from 'vitest'
import { CHILD, OWNER } from '../../src/machine/reaper.ts'
import { temporaryDirectory } from '../support/temporary.ts'
import { processesOf } from '../support/vm-cli.ts'

const children: ChildProcess[] = []

afterEach(() => {
  for (const child of children) child.kill('SIGKILL')
})

const reaper = new URL('../../dist/machine/reaper.js', import.meta.url).href

/** A process that has a reaper for what it leaves in `parent`, and does nothing else. */
async function processWithReaper(parent: string, identity: string): Promise<ChildProcess> {
  const program = `
    import { startReaper } from ${JSON.stringify(reaper)}
    startReaper(${JSON.stringify(parent)}, ${JSON.stringify(identity)})
    console.log('ready')
    setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', program])
  children.push(child)
  await once(child.stdout, 'data')
  return child
}

/** The reaper of what is in `parent` has done all that it does. */
async function reaped(parent: string): Promise<void> {
  await vi.waitFor(() => expect(processesOf(`lowerdir-reaper\0${parent}`)).toEqual([]))
}

function folderOf(parent: string, name: string, files: Readonly<Record<string, string>>): string {
  const folder = join(parent, name)
  mkdirSync(folder)
  for (const [file, content] of Object.entries(files)) writeFileSync(join(folder, file), content)
  return folder
}

it('removes the folders of a killed process, and no others', async () => {
  const parent = temporaryDirectory()
  const child = await processWithReaper(parent, '0.1.17.4711')
  const [left, ...others] = [
    folderOf(parent, "vm-it's", { [OWNER]: '0.1.17.4711', socket: '' }),
    folderOf(parent, 'vm-another', { [OWNER]: '0.1.17.4712' }),
    folderOf(parent, 'vm-kept', { socket: '' }),
    folderOf(parent, 'of something else', { [OWNER]: '0.1.17.4711' }),
  ]
  child.kill('SIGKILL')
  await reaped(parent)
  expect(existsSync(left)).toBe(false)
  for (const other of others) expect(existsSync(other)).toBe(true)
})

it('ends processes that it has left running, unless their ids are used again', async () => {
  const parent = temporaryDirectory()
  const child = await processWithReaper(parent, '0.1.17.4711')
  const sleepers = [spawn('sleep', ['1000']), spawn('sleep', ['1000'])]
  children.push(...sleepers)
  const [ours, stranger] = sleepers.map(({ pid }) => pid!)
  folderOf(parent, 'vm-1', { [OWNER]: '0.1.17.4711', [CHILD]: `0.1.${ours}.${startTime(ours!)}` })
  folderOf(parent, 'vm-2', { [OWNER]: '0.1.17.4711', [CHILD]: `0.1.${stranger}.1` })
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
  const child = spawn(process.execPath, ['--input-type=module', '-e', program])
  children.push(child)
  expect((await once(child, 'exit'))[0]).toBe(0)
})

function startTime(pid: number): string {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]!
}
