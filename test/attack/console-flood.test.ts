import { execFileSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { describe, expect, it, vi } from 'vitest'
import type { Guest } from '../../src/driver/guest.ts'
import { keepJournal } from '../../src/driver/keep-journal.ts'
import { ConsoleSearch } from '../../src/driver/waits/console-search.ts'
import { Console } from '../../src/machine/console.ts'
import { readRecord } from '../../src/record/read.ts'
import { Recorder } from '../../src/record/recorder.ts'
import { readMachines } from '../../src/report/machine-folder.ts'
import { writeReport } from '../../src/report/write-report.ts'
import { START, fileResult, testResult } from '../report/sample.ts'
import { scriptedGuest } from '../support/scripted-guest.ts'
import { temporaryDirectory } from '../support/temporary.ts'
import { lowerdir } from '../support/vm-cli.ts'

const recorder = new URL('../../dist/record/recorder.js', import.meta.url).href
const artifacts = new URL('../../dist/record/artifacts.js', import.meta.url).href

/** The bytes of all files of a folder. */
function sizeOf(folder: string): number {
  return readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0)
}

/** A test file whose machine `name` prints lines, without the machine: its record. */
function flooded(name: string, lines: number, line: string): string {
  return `
    import { test } from 'node:test'
    import { Recorder } from '${recorder}'
    import { Artifacts, artifactsRoot } from '${artifacts}'
    test('${name}', () => {
      const recorder = new Recorder(Artifacts.create(artifactsRoot(), '${name}').path)
      recorder.event({ kind: 'machine', name: '${name}', accelerator: 'tcg' })
      recorder.command({ text: 'the first command' }).end({ exitCode: 0 })
      for (let i = 0; i < ${lines}; i += 1) recorder.event({ kind: 'console', line: i + ${line} })
      recorder.command({ text: 'the last command' }).end({ exitCode: 0 })
    })`
}

describe('a guest that prints 100 MB to its console', () => {
  it('costs no test its result: totals, page and XML are there', async () => {
    const folder = temporaryDirectory()
    writeFileSync(join(folder, 'a.vm.test.mjs'), flooded('loud', 100_000, `' x'.repeat(500)`))
    writeFileSync(join(folder, 'b.vm.test.mjs'), flooded('quiet', 1, `''`))
    const args = ['--report=report.html', '--junit=junit.xml', '--artifacts=kept', '--keep']
    const { status, stdout, stderr } = await lowerdir(['test', ...args], { cwd: folder })
    expect([status, stderr]).toEqual([0, ''])
    expect(stdout.toString()).toMatch(/\n2 passed, 0 failed\n$/)
    expect(readFileSync(join(folder, 'junit.xml'), 'utf8')).toContain('tests="2"')

    const page = readFileSync(join(folder, 'report.html'), 'utf8')
    expect(page.length).toBeLessThan(40e6)
    for (const text of ['the first command', 'the last command', 'quiet', '>0 x x', '>99999 x x'])
      expect(page).toContain(text)
    expect(page).toMatch(/class="line gap">\[\d+ lines, \d+ MiB left out\]/)
    expect(sizeOf(join(folder, 'kept/a.vm.test.mjs/loud'))).toBeLessThan(48e6)
  })

  it('leaves the beginning and the end of its console, and the count of what is left out', async () => {
    const folder = temporaryDirectory()
    using recording = new Recorder(folder)
    recording.event({ kind: 'machine', name: 'loud', accelerator: 'tcg' })
    const all = 120_000
    for (let i = 0; i < all; i += 1) recording.event({ kind: 'console', line: `line ${i}` })

    const { events, brokenLines } = (await readRecord(folder))!
    const lines = events.flatMap((event) => (event.kind === 'console' ? [event.line] : []))
    const gaps = events.flatMap((event) => (event.kind === 'left-out' ? [event] : []))
    expect([lines[0], lines.at(-1), brokenLines]).toEqual(['line 0', `line ${all - 1}`, 0])
    expect(gaps).toMatchObject([{ what: 'console', lines: all - lines.length }])
    // The gap stands where lines are missing, and nowhere else are any.
    const numbers = lines.map((line) => Number(line.slice(5)))
    const jumps = numbers.filter((number, index) => index > 0 && number !== numbers[index - 1]! + 1)
    expect(jumps).toHaveLength(1)
    const at = events.findIndex(({ kind }) => kind === 'left-out')
    expect(events[at + 1]).toMatchObject({ line: `line ${jumps[0]}` })
  })

  it('costs no event of the test, and a test with many events no line of the console', async () => {
    const folder = temporaryDirectory()
    using recording = new Recorder(folder)
    recording.event({ kind: 'machine', name: 'loud', accelerator: 'tcg' })
    for (let i = 0; i < 10_000; i += 1) recording.event({ kind: 'console', line: 'x'.repeat(1000) })
    recording.event({ kind: 'note', text: 'seen' })
    const { events } = (await readRecord(folder))!
    expect(events).toContainEqual(expect.objectContaining({ text: 'seen' }))

    for (let i = 0; i < 400; i += 1) recording.event({ kind: 'note', text: 'y'.repeat(100_000) })
    recording.event({ kind: 'console', line: 'heard' })
    const later = (await readRecord(folder))!.events
    expect(later).toContainEqual(expect.objectContaining({ line: 'heard' }))
    const gaps = later.filter((event) => event.kind === 'left-out')
    expect(gaps.map((event) => 'what' in event && event.what)).toEqual(['console', 'events'])
    expect(sizeOf(folder)).toBeLessThan(48e6)
  })

  it('has its console searched once, however small the pieces are', async () => {
    const exec = vi.spyOn(RegExp.prototype, 'exec')
    const stream = new PassThrough()
    const console = new Console(stream, () => {})
    const print = (text: string): Promise<void> =>
      new Promise((resolve) => {
        console.once('text', resolve)
        stream.write(text)
      })
    const search = new ConsoleSearch(console, /log(in|out): $/)
    const size = 8 << 20
    await print(`${'a line of 32 characters, no more'.repeat(32)}\n`.repeat(size / 1024))
    expect(search.look()).toBeUndefined()

    const pieces = 500
    exec.mockClear()
    for (let i = 0; i < pieces; i += 1) {
      await print('a piece\n')
      expect(search.look()).toBeUndefined()
    }
    const searched = exec.mock.calls.reduce((sum, [text]) => sum + text.length, 0)
    exec.mockRestore()
    // Searched anew for each piece, it would be 4 GB.
    expect(searched).toBeLessThan(pieces * 20_000)
    await print('log')
    expect(search.look()).toBeUndefined()
    await print('in: ')
    expect(search.look()).toBe('login: ')
  })
})

describe('a journal without an end', () => {
  /** A guest whose journalctl prints this much, as far as its journal needs a guest. */
  function printing(bytes: number): Guest {
    const block = `${'x'.repeat(99)}\n`.repeat(1000)
    const stdout = Readable.from(
      (function* () {
        yield Buffer.from('first line\n')
        for (let done = 0; done < bytes; done += block.length) yield Buffer.from(block)
        yield Buffer.from('last line')
      })(),
      { objectMode: false },
    )
    return scriptedGuest(() => ({ stdout }))
  }

  it('is kept with its beginning and its end, and read no faster than it is written', async () => {
    const root = temporaryDirectory()
    using recording = new Recorder(root)
    recording.event({ kind: 'machine', name: 'm', accelerator: 'tcg' })
    await keepJournal(printing(100e6), root, {})
    expect(sizeOf(root)).toBeLessThan(10e6)
    const report = join(root, 'report.html')
    await writeReport(report, { start: START, duration: 1, files: [] }, await readMachines(root))
    const page = readFileSync(report, 'utf8')
    for (const text of ['first line', 'last line', /--- \d+ lines \(\d+ MiB\) came between/])
      expect(page).toMatch(text)
  })

  it('that is short is one file, also when it is kept again', async () => {
    const root = temporaryDirectory()
    await keepJournal(printing(20e6), root, {})
    await keepJournal(printing(0), root, {})
    expect(readdirSync(root)).toEqual(['journal.txt'])
    expect(readFileSync(join(root, 'journal.txt'), 'utf8')).toBe('first line\nlast line\n')
  })
})

describe('a record that cannot be read', () => {
  const make = {
    'is a folder': (path: string) => mkdirSync(path),
    'is a symlink that leads out': (path: string) => symlinkSync('/etc/passwd', path),
    'is a FIFO': (path: string) => execFileSync('mkfifo', [path]),
    'has no events': (path: string) => writeFileSync(path, '{}\n[]\nnull\n"x"\n'),
    'is one line of 700 MB': (path: string) => {
      writeFileSync(path, '')
      truncateSync(path, 700e6)
    },
    'has fields of other types': (path: string) =>
      writeFileSync(
        path,
        [
          { time: 1, kind: 'qemu' },
          { time: 1e300, kind: 'note', text: 'x' },
          { time: 1, kind: 'machine', name: ['x'], accelerator: 'tcg' },
          { time: 1, kind: 'command-started', id: 1, text: null },
        ]
          .map((event) => `${JSON.stringify(event)}\n`)
          .join(''),
      ),
  }

  it.each(Object.entries(make))(
    'because it %s costs that machine’s page alone',
    async (_name, makeRecord) => {
      const root = temporaryDirectory()
      for (const name of ['good', 'bad', 'fine']) {
        mkdirSync(join(root, 'a.vm.test.ts', name), { recursive: true })
        if (name === 'bad') continue
        using recording = new Recorder(join(root, 'a.vm.test.ts', name))
        recording.event({ kind: 'machine', name, accelerator: 'tcg' })
        recording.event({ kind: 'note', text: `${name} was here` })
      }
      makeRecord(join(root, 'a.vm.test.ts', 'bad', 'events.jsonl'))
      const machines = await readMachines(root)
      const names = machines.map(({ path }) => path.split('/').at(-1) ?? '')
      expect(new Set(names)).toEqual(new Set(['bad', 'fine', 'good']))
      const report = join(root, 'report.html')
      const run = {
        start: START,
        duration: 1,
        files: [fileResult(root, 'a.vm.test.ts', [testResult(['x'], [0, 1])])],
      }
      await writeReport(report, run, machines)
      const page = readFileSync(report, 'utf8')
      expect(page).toContain('good was here')
      expect(page).toContain('fine was here')
      expect(page).toMatch(
        /class="warning">The record cannot be read: |of its record cannot be read/,
      )
      expect(page).not.toContain('root:x:0')
    },
  )

  it('is none of a machine where a guest’s files were copied to', async () => {
    const root = temporaryDirectory()
    const copied = join(root, 'machine', 'copied')
    mkdirSync(copied, { recursive: true })
    using recording = new Recorder(join(root, 'machine'))
    recording.event({ kind: 'machine', name: 'm', accelerator: 'tcg' })
    writeFileSync(join(copied, 'events.jsonl'), '{"time":1,"kind":"note","text":"forged"}\n')
    const machines = await readMachines(root)
    expect(machines.map(({ path }) => path)).toEqual([join(root, 'machine')])
  })

  it('is no reason to embed what a file of another kind leads to', async () => {
    const root = temporaryDirectory()
    const folder = join(root, 'machine')
    mkdirSync(folder)
    using recording = new Recorder(folder)
    recording.event({ kind: 'machine', name: 'm', accelerator: 'tcg' })
    symlinkSync('/etc/passwd', join(folder, 'screen.png'))
    execFileSync('mkfifo', [join(folder, 'journal.txt')])
    const [machine] = await readMachines(root)
    expect(machine).toMatchObject({ images: [], journal: [] })
    expect(machine!.problems).toHaveLength(2)
  })
})

it('a report that cannot be written leaves the XML and the totals', async () => {
  const folder = temporaryDirectory()
  writeFileSync(join(folder, 'a.vm.test.mjs'), flooded('quiet', 1, `''`))
  const args = ['--report=a.vm.test.mjs/report.html', '--junit=junit.xml']
  const { status, stdout, stderr } = await lowerdir(['test', ...args], { cwd: folder })
  expect(status).toBe(125)
  expect(stdout.toString()).toMatch(/\n1 passed, 0 failed\n$/)
  expect(stderr).toMatch(/^lowerdir: a\.vm\.test\.mjs\/report\.html cannot be written: /)
  expect(existsSync(join(folder, 'junit.xml'))).toBe(true)
})
