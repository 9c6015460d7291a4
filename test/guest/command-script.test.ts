import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { type CommandLine, commandScript } from '../../src/guest/agent.ts'
import { quote } from '../../src/util/shell.ts'
import { provision } from '../../src/provision/inventory.ts'
import { temporaryDirectory } from '../support/temporary.ts'

let busybox: string

beforeAll(async () => {
  const found = await provision({ want: ['busybox'] })
  busybox = found.busybox.found!.path
})

/** What busybox's shell makes of a command, on this machine instead of in a guest. */
function run(changes: Partial<CommandLine>): {
  readonly status: number | null
  readonly out: string
} {
  const line = { argv: ['true'], env: { PATH: '/usr/bin:/bin' }, cwd: '/', ...changes }
  const { status, stdout, stderr } = spawnSync(busybox, ['sh', '-c', commandScript(line)], {
    env: {},
    encoding: 'utf8',
  })
  return { status, out: stdout + stderr }
}

describe('a command', () => {
  it('gets its arguments as they are', () => {
    const print = [
      process.execPath,
      '-e',
      'console.log(JSON.stringify(process.argv.slice(1)))',
      '--',
    ]
    const hostile = ['', ' ', "it's", '"', '$HOME `id` $(id)', 'a\nb', '\\', '*', '-n', ';', 'ü']
    const { out } = run({ argv: [...print, ...hostile] })
    expect(JSON.parse(out)).toEqual(hostile)
  })

  it('has the variables that it was given, and no others of ours', () => {
    const env = { PATH: '/usr/bin:/bin', A: "it's\n$B", LAST: '' }
    const { out } = run({ argv: ['env', '-0'], env })
    // busybox's shell has SHLVL, and the folder is a variable of any shell's.
    const variables = out.split('\0').filter((text) => text !== '' && !/^(_|SHLVL)=/.test(text))
    expect(variables.toSorted()).toEqual(["A=it's\n$B", 'LAST=', 'PATH=/usr/bin:/bin', 'PWD=/'])
  })

  it('runs where it was told to', () => {
    const folder = join(temporaryDirectory(), "odd 'name'")
    mkdirSync(folder)
    expect(run({ argv: ['pwd'], cwd: folder }).out).toBe(`${folder}\n`)
    expect(run({ cwd: '/nowhere' }).status).toBe(126)
  })

  it('is looked up in PATH, and is never an applet of busybox', () => {
    const folder = temporaryDirectory()
    writeFileSync(join(folder, 'ls'), '#!/bin/sh\necho "our own ls: $*"\n')
    chmodSync(join(folder, 'ls'), 0o755)
    const env = { PATH: `/nowhere:${folder}` }
    expect(run({ argv: ['ls', 'x y'], env })).toEqual({ status: 0, out: 'our own ls: x y\n' })
    expect(run({ argv: ['cat'], env })).toMatchObject({
      status: 127,
      out: 'lowerdir: cat: not found in the guest\n',
    })
  })

  it('has its own exit status', () => {
    expect(run({ argv: ['sh', '-c', 'exit 42'] }).status).toBe(42)
  })
})

it('any string is one word of a shell', () => {
  const words = fc.array(fc.string({ unit: 'binary' }).map((text) => text.replaceAll('\0', '')))
  fc.assert(
    fc.property(words, (texts) => {
      const script = `for word in ${texts.map(quote).join(' ')}; do printf '%s\\0' "$word"; done`
      const out = execFileSync(busybox, ['sh', '-c', script], { encoding: 'utf8' })
      const expected = texts.map((text) => Buffer.from(text).toString())
      expect(out.split('\0').slice(0, -1)).toEqual(expected)
    }),
    { numRuns: 50 },
  )
})
