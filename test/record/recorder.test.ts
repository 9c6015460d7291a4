import { spawn } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import type { MachineEvent } from '../../src/record/event.ts'
import { parseRecord, readRecord } from '../../src/record/read.ts'
import { Recorder } from '../../src/record/recorder.ts'
import { mountTmpfs, temporaryDirectory } from '../support/temporary.ts'

const recorderModule = fileURLToPath(new URL('../../dist/record/recorder.js', import.meta.url))

function untimed(events: readonly MachineEvent[]): unknown[] {
  return events.map((event) => ({ ...event, time: undefined }))
}

/** What has begun, by what it says it is. */
function begun(
  events: readonly MachineEvent[],
): Map<string, { readonly id: number; readonly step?: number }> {
  const found = new Map<string, { readonly id: number; readonly step?: number }>()
  for (const event of events) {
    if (event.kind === 'step-started') found.set(event.name, event)
    if (event.kind === 'wait-started') found.set(event.what, event)
    if (event.kind === 'command-started') found.set(event.text, event)
  }
  return found
}

describe('in memory', () => {
  it('has a command from its beginning to its end, its streams apart', () => {
    using recorder = new Recorder()
    const command = recorder.command({ text: 'make', user: 'ada', cwd: '/src' })
    command.output('stdout', Buffer.from('fine\n'))
    command.output('stderr', Buffer.from('bad\n'))
    command.end({ exitCode: 2 })
    expect(untimed(recorder.events)).toEqual([
      { kind: 'command-started', id: 1, text: 'make', user: 'ada', cwd: '/src' },
      { kind: 'command-output', id: 1, stream: 'stdout', text: 'fine\n' },
      { kind: 'command-output', id: 1, stream: 'stderr', text: 'bad\n' },
      { kind: 'command-ended', id: 1, exitCode: 2 },
    ])
  })

  it('knows which step everything is part of, also when steps run at the same time', async () => {
    using recorder = new Recorder()
    const steps = new EventEmitter()
    const [secondBegins, firstEnds] = [once(steps, 'second begins'), once(steps, 'first ends')]
    await Promise.all([
      recorder
        .step('one', async () => {
          await secondBegins
          await recorder.step('inner', () => recorder.wait('a').end())
        })
        .then(() => steps.emit('first ends')),
      recorder.step('two', async () => {
        steps.emit('second begins')
        await firstEnds
        recorder.command({ text: 'b' }).end({ exitCode: 0 })
      }),
    ])
    recorder.wait('c').end('it took too long')
    const find = (name: string): { readonly id: number; readonly step?: number } =>
      begun(recorder.events).get(name)!
    expect(find('inner').step).toBe(find('one').id)
    expect(find('a').step).toBe(find('inner').id)
    expect(find('b').step).toBe(find('two').id)
    expect(find('c')).not.toHaveProperty('step')
    expect(recorder.events.at(-1)).toMatchObject({ failure: 'it took too long' })
  })

  it('says why a step failed, and passes the error on', async () => {
    using recorder = new Recorder()
    const error = new Error('no such page')
    const step = recorder.step('asks', () => Promise.reject(error))
    await expect(step).rejects.toBe(error)
    expect(recorder.events.at(-1)).toMatchObject({ kind: 'step-ended', failure: 'no such page' })
  })

  it('has times that never go back', () => {
    using recorder = new Recorder()
    for (let i = 0; i < 1000; i += 1) recorder.event({ kind: 'note', text: `${i}` })
    const times = recorder.events.map(({ time }) => time)
    expect(times).toEqual(times.toSorted((a, b) => a - b))
    expect(Math.abs(times[0]! - Date.now())).toBeLessThan(60_000)
  })

  it('remembers the first event and the newest ones, up to a limit', () => {
    using recorder = new Recorder()
    recorder.event({ kind: 'machine', name: 'server', accelerator: 'tcg' })
    for (let i = 0; i < 50_000; i += 1) recorder.event({ kind: 'console', line: `line ${i}` })
    expect(recorder.events.length).toBeLessThanOrEqual(10_000)
    expect(recorder.events[0]).toMatchObject({ kind: 'machine' })
    expect(recorder.events.at(-1)).toMatchObject({ line: 'line 49999' })

    for (let i = 0; i < 200; i += 1) recorder.event({ kind: 'note', text: 'x'.repeat(100_000) })
    expect(JSON.stringify(recorder.events).length).toBeLessThan(10_000_000)
    expect(recorder.events[0]).toMatchObject({ kind: 'machine' })
  })
})

describe('in a folder', () => {
  it('can be read with the same events as in memory', async () => {
    const folder = temporaryDirectory()
    using recorder = new Recorder(folder)
    recorder.event({ kind: 'machine', name: 'ä </script>', accelerator: 'tcg' })
    recorder.event({ kind: 'qemu', command: ['qemu', '-append', "it's quiet", '-m', '512M'] })
    recorder.event({ kind: 'console', line: 'Linux \u001B[1mboots\u001B[0m\u0000\u2028' })
    recorder.command({ text: 'printf "\\n"' }).end({ exitCode: null, signal: 'SIGKILL' })
    expect(await readRecord(folder)).toEqual({ events: recorder.events, brokenLines: 0 })
    expect(readFileSync(join(folder, 'qemu.txt'), 'utf8')).toBe(
      "qemu -append 'it'\\''s quiet' -m 512M\n",
    )
    expect(readFileSync(join(folder, 'console.log'), 'utf8')).toMatch(/^Linux [^\n]*boots[^\n]*\n$/)
  })

  it('has every event up to the last line when its process is killed', async () => {
    const folder = temporaryDirectory()
    const script = `
      const { Recorder } = await import(${JSON.stringify(recorderModule)})
      const recorder = new Recorder(${JSON.stringify(folder)})
      for (let i = 0; ; i += 1) {
        recorder.event({ kind: 'console', line: 'x'.repeat(i % 5000) })
        recorder.event({ kind: 'note', text: String(i) })
        if (i % 100 === 0) process.stdout.write(i + '\\n')
      }`
    const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let told = ''
    const killed = new Promise((resolve) => {
      child.once('close', resolve)
    })
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      told += text
      if (told.includes('\n2000\n')) child.kill('SIGKILL')
    })
    await killed
    const { events, brokenLines } = (await readRecord(folder))!
    const notes = events.filter((event) => event.kind === 'note')
    expect(notes.map(({ text }) => Number(text))).toEqual(notes.map((_, i) => i))
    expect(notes.length).toBeGreaterThan(Number(told.trim().split('\n').at(-1)))
    expect(brokenLines).toBeLessThanOrEqual(1)
  })

  it('throws nothing into a test whose disk is full, says so, and leaves no line behind a cut one', async () => {
    const folder = join(temporaryDirectory(), 'full')
    mountTmpfs(folder, '128k')
    writeFileSync(join(folder, 'filler'), Buffer.alloc(64 * 1024))
    using recorder = new Recorder(folder)
    for (let i = 0; i < 200; i += 1) recorder.event({ kind: 'note', text: `${i} `.repeat(300) })
    expect(recorder.fault).toMatchObject({ code: 'ENOSPC' })
    // There is room again, and the last line is still half a line.
    rmSync(join(folder, 'filler'))
    for (const text of ['late', 'later']) recorder.event({ kind: 'note', text })
    expect(recorder.events).toHaveLength(202)
    const { events, brokenLines } = (await readRecord(folder))!
    expect(events).toEqual(recorder.events.slice(0, events.length))
    expect(events.length).toBeGreaterThan(10)
    expect(brokenLines).toBeLessThanOrEqual(1)
  })

  it('closes its files', () => {
    const before = readdirSync('/proc/self/fd').length
    const recorder = new Recorder(temporaryDirectory())
    recorder.event({ kind: 'console', line: 'hello' })
    expect(readdirSync('/proc/self/fd').length).toBe(before + 2)
    recorder[Symbol.dispose]()
    expect(readdirSync('/proc/self/fd').length).toBe(before)
    recorder.event({ kind: 'note', text: 'late' })
    expect(recorder.events.at(-1)).toMatchObject({ text: 'late' })
    expect(recorder.fault).toBeUndefined()
  })
})

describe('reading', () => {
  it('leaves out a last line that is cut at any byte', () => {
    const first = '{"time":1,"kind":"ready"}\n'
    const second = '{"time":2,"kind":"note","text":"ä"}'
    for (let end = 1; end < Buffer.byteLength(second); end += 1) {
      const cut = Buffer.from(second).subarray(0, end).toString()
      expect(parseRecord(first + cut)).toEqual({
        events: [{ time: 1, kind: 'ready' }],
        brokenLines: 1,
      })
    }
    expect(parseRecord(first + second).events).toHaveLength(2)
  })

  it('counts lines that are no events', () => {
    const text = 'null\n[]\n"note"\n{}\n{"kind":"note"}\n{"kind":1,"time":1}\n\n'
    expect(parseRecord(text)).toEqual({ events: [], brokenLines: 6 })
  })

  it('finds no record where there is none', async () => {
    expect(await readRecord(temporaryDirectory())).toBeUndefined()
  })
})
