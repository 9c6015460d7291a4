import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { GuestCommand } from '../../src/machine/control/control.ts'
import { chooseAccelerator } from '../../src/machine/accelerator.ts'
import type { QemuMachine } from '../../src/machine/qemu-machine.ts'
import { serveDuplex } from '../../src/transport/stream/duplex.ts'
import { constantFile, directory } from '../../src/tree/synthetic/entry.ts'
import { SyntheticTree } from '../../src/tree/synthetic/synthetic-tree.ts'
import { bootMachine, sh } from '../support/vm-machine.ts'

const folder = mkdtempSync(join(tmpdir(), 'lowerdir-test-'))
const socket = join(folder, 'synthetic')
const written: string[] = []

/** A tree made of functions. */
const tree = new SyntheticTree(
  directory({
    greeting: constantFile(() => Buffer.from('hello from a function\n')),
    folder: directory({ large: constantFile(() => Buffer.alloc(3_000_000, 'x')) }),
    inbox: {
      kind: 'file',
      mode: 0o200,
      open: () => ({
        write(_offset, bytes) {
          written.push(Buffer.from(bytes).toString())
          return bytes.length
        },
      }),
    },
  }),
)
const server = createServer((stream) => {
  void serveDuplex(tree, stream)
})

let machine: QemuMachine
const phases: string[] = []
const consoleLines: string[] = []

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(socket, resolve))
  machine = await bootMachine({
    cpus: 2,
    hostname: 'its-own-name',
    shares: [{ socket, target: '/synthetic', readOnly: false }],
    onPhase: (phase) => phases.push(phase),
    onConsoleLine: (line) => consoleLines.push(line),
  })
})

afterAll(async () => {
  await machine?.[Symbol.asyncDispose]()
  server.close()
  rmSync(folder, { recursive: true, force: true })
})

function start(argv: readonly string[], stdin: Readable | null = null): GuestCommand {
  return machine.run({ argv, env: { PATH: '/usr/bin:/bin' }, cwd: '/', stdin })
}

describe('a machine', () => {
  it('has reported the phases of its boot', () => {
    expect(phases).toEqual(['qemu', 'kernel', 'root', 'ready'])
    expect(consoleLines).toContain('lowerdir: phase root')
  })

  it('boots the decompressed kernel, where its CPU is emulated', async () => {
    const isEmulated = chooseAccelerator('auto').accelerator === 'tcg'
    const { stdout } = await sh(machine, 'grep " _text$" /proc/kallsyms')
    // An image moves its kernel to a random address, and QEMU leaves it where it was linked to be.
    expect(stdout.startsWith('ffffffff81000000 ')).toBe(isEmulated)
  })

  it('runs one command after the other', async () => {
    for (let i = 0; i < 10; i++) {
      expect(await sh(machine, `echo ${i}; exit ${i}`)).toEqual({
        status: i,
        stdout: `${i}\n`,
        stderr: '',
      })
    }
    expect(await sh(machine, 'hostname; nproc')).toMatchObject({ stdout: 'its-own-name\n2\n' })
  })

  it('runs twenty at once, each with streams of its own', async () => {
    const all = Array.from({ length: 20 }, async (_, i) => {
      const stdin = Readable.from([Buffer.from(`input of ${i}\n`)])
      const script = `cat; echo output of ${i}; echo errors of ${i} >&2; exit ${100 + i}`
      const { stdout, stderr, exitStatus } = start(['sh', '-c', script], stdin)
      expect(await Promise.all([text(stdout), text(stderr), exitStatus])).toEqual([
        `input of ${i}\noutput of ${i}\n`,
        `errors of ${i}\n`,
        100 + i,
      ])
    })
    await Promise.all(all)
  })

  it('answers a later command while an earlier one waits for its input', async () => {
    const stdin = new PassThrough()
    const waiting = start(['cat'], stdin)
    expect(await sh(machine, 'echo overtaken')).toMatchObject({ stdout: 'overtaken\n', status: 0 })
    stdin.write('now')
    const chunk = await new Promise((resolve) => waiting.stdout.once('data', resolve))
    expect(String(chunk)).toBe('now')
    stdin.end(' and later')
    expect(await text(waiting.stdout)).toBe(' and later')
    expect(await waiting.exitStatus).toBe(0)
  })

  it('passes arguments and the environment on as they are', async () => {
    const odd = ['', ' ', "'", '"', '$HOME', '`id`', '\\', '*', 'a\nb', 'é', '-n', ';', '--']
    const { stdout, exitStatus } = machine.run({
      argv: ['/usr/bin/printf', '%s|', ...odd],
      env: {},
      cwd: '/usr',
      stdin: null,
    })
    expect(await text(stdout)).toBe(odd.map((word) => `${word}|`).join(''))
    expect(await exitStatus).toBe(0)
    const environment = machine.run({
      argv: ['/usr/bin/env'],
      env: { ODD: odd.join('') },
      cwd: '/usr',
      stdin: null,
    })
    expect(await text(environment.stdout)).toContain(`ODD=${odd.join('')}\n`)
  })

  it.each([
    ['a command that is not there', { argv: ['no-such'], cwd: '/' }, 127],
    ['a folder that is not there', { argv: ['true'], cwd: '/no/such' }, 126],
    ['a file that cannot be executed', { argv: ['/etc/passwd'], cwd: '/' }, 126],
    ['a signal', { argv: ['sh', '-c', 'kill -KILL $$'], cwd: '/' }, 137],
  ])('gives the status of %s as a shell does', async (_what, line, status) => {
    const command = machine.run({ ...line, env: { PATH: '/usr/bin:/bin' }, stdin: null })
    expect(await command.exitStatus).toBe(status)
  })

  it('makes a command wait while its output is not read', async () => {
    const command = start(['sh', '-c', 'yes | head -c 20000000; echo done >&2'])
    let isOver = false
    const over = command.exitStatus.then(() => (isOver = true))
    // It has written nothing any more from one look to the next, and waits in a write.
    const settled = `pid=$(pgrep -x head); before=
      until [ "$before" = "$(cat /proc/$pid/io)" ] && grep -qE 'p9|pipe' /proc/$pid/wchan; do
        before=$(cat /proc/$pid/io); sleep 0.2
      done
      sed -n 's/^wchar: //p' /proc/$pid/io`
    const { stdout: bytes } = await sh(machine, settled)
    expect(Number(bytes)).toBeGreaterThan(0)
    expect(Number(bytes)).toBeLessThan(20_000_000)
    expect(isOver).toBe(false)
    expect((await text(command.stdout)).length).toBe(20_000_000)
    await over
    expect(await text(command.stderr)).toBe('done\n')
    expect(await command.exitStatus).toBe(0)
  })

  it('mounts a tree of functions that another server has', async () => {
    const script = `cat /synthetic/greeting; wc -c < /synthetic/folder/large; ls /synthetic
      echo a message > /synthetic/inbox`
    expect(await sh(machine, script)).toEqual({
      status: 0,
      stdout: 'hello from a function\n3000000\nfolder\ngreeting\ninbox\n',
      stderr: '',
    })
    expect(written).toEqual(['a message\n'])
  })

  it('reaches nothing but its files', async () => {
    const interfaces = await sh(machine, 'ls /sys/class/net; cat /proc/net/route | wc -l')
    expect(interfaces.stdout).toBe('lo\n1\n')
  })

  it('hides the mount of the control channel from commands', async () => {
    expect(await sh(machine, 'cat /proc/mounts')).not.toMatchObject({
      stdout: expect.stringContaining('/control') as string,
    })
  })

  it('powers off when told to, and everything that waits fails', async () => {
    const { exitStatus } = start(['sleep', '1000'])
    const failed = exitStatus.catch((error: unknown) => (error as Error).message)
    await machine.powerOff()
    expect((await machine.ended).message).toBe('The guest powered off.')
    expect(await failed).toBe('The guest powered off.')
    await expect(start(['true']).exitStatus).rejects.toThrow('The guest powered off.')
  })
})
