import { once } from 'node:events'
import { createServer } from 'node:net'
import { PassThrough, Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { boot } from '../../src/driver/boot.ts'
import { bootAll } from '../../src/driver/boot-network.ts'
import { CommandError } from '../../src/driver/command.ts'
import { debianRoot } from '../support/debian-root.ts'
import { inVain } from '../support/in-vain.ts'
import { bootWatched, restoreTested } from '../support/vm-boot.ts'
import type { Machine } from '../../src/driver/machine.ts'

const busybox = '/run/lowerdir/busybox'

let vm: Machine

beforeAll(async () => {
  const root = (await debianRoot()).folder
  vm = await bootWatched({
    root,
    name: 'driven',
    memory: 512,
    init: 'none',
    env: { OF_THE_MACHINE: 'yes' },
    // A card that is there, for `forwardPort`.
    restrictNetwork: true,
  })
})

afterAll(() => vm?.[Symbol.asyncDispose]())

describe('exec', () => {
  it('resolves with how the command ended, whatever its exit code', async () => {
    expect(await vm.exec('echo out; echo err >&2; exit 3')).toEqual({
      exitCode: 3,
      signal: null,
      stdout: 'out\n',
      stderr: 'err\n',
    })
    expect(await vm.exec('kill -TERM $$')).toMatchObject({ exitCode: 143, signal: 'SIGTERM' })
    expect(await vm.exec(['no-such'])).toMatchObject({ exitCode: 127 })
  })

  it('is the guest’s own shell, for scripts of any length', async () => {
    expect(await vm.succeed('readlink /proc/$$/exe')).toBe(await vm.succeed('readlink -f /bin/sh'))
    const long = Array.from({ length: 20_000 }, (_, i) => `n=${i}`).join('\n')
    expect(await vm.succeed(`${long}\necho $n`)).toBe('19999\n')
  })

  it('counts lines as the script does', async () => {
    const { stderr } = await vm.exec('true\nno-such-command')
    expect(stderr).toMatch(/2: .*no-such-command.*not found/)
  })

  it('has an environment, a folder and a user', async () => {
    const line = 'echo $OF_THE_MACHINE $OF_THE_COMMAND $HOME; pwd; id -un'
    expect(await vm.succeed(line, { env: { OF_THE_COMMAND: 'a b' }, cwd: '/usr' })).toBe(
      'yes a b /root\n/usr\nroot\n',
    )
    expect(await vm.succeed(line, { user: 'nobody', cwd: '/tmp' })).toBe(
      'yes /nonexistent\n/tmp\nnobody\n',
    )
    expect(await vm.succeed(['id', '-un'], { user: 'nobody' })).toBe('nobody\n')
    const names = async (user?: string): Promise<string> =>
      vm.succeed(
        "env -0 | tr '\\n' ' ' | tr '\\0' '\\n' | cut -d= -f1 | grep -vx _ | sort | xargs",
        { user },
      )
    const all = 'HOME LOGNAME OF_THE_MACHINE PATH PWD SHELL USER\n'
    expect([await names(), await names('nobody')]).toEqual([all, all])
    const who = 'echo $USER $LOGNAME $SHELL'
    expect(await vm.succeed(who)).toBe('root root /bin/sh\n')
    expect(await vm.succeed(who, { user: 'nobody' })).toBe('nobody nobody /bin/sh\n')
  })

  it('may open its own streams, whoever runs it', async () => {
    const script = 'cat /dev/stdin >/dev/stdout; echo error >/dev/stderr; cat /proc/self/fd/0'
    for (const user of [undefined, 'nobody', 'daemon', 'root']) {
      const result = await vm.exec(script, { user, stdin: 'input' })
      expect([user, result]).toEqual([
        user,
        { exitCode: 0, signal: null, stdout: 'input', stderr: 'error\n' },
      ])
    }
    // A pipe that one user had is of use to the next one, in the same slot too; a device stays its owner's.
    for (const user of ['nobody', 'daemon']) {
      expect(await vm.succeed('echo hi >/dev/stdout', { user })).toBe('hi\n')
    }
    expect(await vm.succeed('stat -c %U /dev/null')).toBe('root\n')
  })

  it('finds the machine’s own name', async () => {
    expect(await vm.succeed('getent hosts "$(hostname)"')).toMatch(/^127\.0\.1\.1 +driven$/m)
    const { created, changed } = await vm.changes({ under: '/etc' })
    expect([...created, ...changed]).not.toContain('/etc/hosts')
  })

  it('reads what it is given: text, bytes, a stream', async () => {
    expect(await vm.succeed('cat', { stdin: 'some text' })).toBe('some text')
    expect(await vm.succeed('wc -c', { stdin: Buffer.alloc(1_000_000) })).toBe('1000000\n')
    const stream = Readable.from(['one ', 'two'])
    expect(await vm.succeed(['cat'], { stdin: stream })).toBe('one two')
    expect(await vm.succeed('cat')).toBe('')
  })

  it('is safe for any bytes', async () => {
    const bytes = Buffer.from(Array.from({ length: 100_000 }, (_, i) => (i * i) % 256))
    const { stdout } = await vm.exec('cat', { stdin: bytes, encoding: 'buffer' })
    expect(stdout.equals(bytes)).toBe(true)
  })

  it('streams while it runs', async () => {
    const seen: string[] = []
    const command = vm.exec('echo first; read go; echo second', { stdin: typeLater() })
    for await (const line of command.lines()) seen.push(line)
    expect(seen).toEqual(['first', 'second'])
    expect(await command).toMatchObject({ exitCode: 0, stdout: 'first\nsecond\n' })
    expect(await text(command.stdout)).toBe('first\nsecond\n')

    /** Says go when the first line has been seen. */
    function typeLater(): Readable {
      return Readable.from(
        (async function* () {
          while (seen.length === 0) await sleep(20)
          yield 'go\n'
        })(),
      )
    }
  })

  it('ends the command when its output is wanted no more', async () => {
    for await (const line of vm.exec('echo mark-wanted; sleep 1000').lines()) {
      expect(line).toBe('mark-wanted')
      break
    }
    await vm.waitUntilFails('pgrep -f "^sleep 1000"', { timeout: 60 })
  })

  it('runs many at once', async () => {
    // None ends before all have begun.
    const allBegun = 'until set -- /tmp/at-once-* && [ $# -eq 12 ]; do sleep 0.1; done'
    const all = Array.from({ length: 12 }, (_, i) =>
      vm.succeed(`: >/tmp/at-once-${i}; ${allBegun}; echo ${i}`),
    )
    expect(await Promise.all(all)).toEqual(all.map((_, i) => `${i}\n`))
  })

  it('leaves running what a command has put into the background', async () => {
    await vm.succeed('sleep 1234 >/dev/null 2>&1 & echo $! >/tmp/pid')
    await vm.succeed('sleep 1235 & echo $! >>/tmp/pid')
    expect(await vm.succeed('kill -0 $(cat /tmp/pid) && echo both')).toBe('both\n')
    await vm.succeed('kill $(cat /tmp/pid)')
  })

  it('ends the whole tree of processes at its timeout', async () => {
    const started = '(setsid sleep 4321 &) ; sleep 4321'
    const error = await vm.exec(started, { timeout: 1 }).then(undefined, (e: unknown) => e)
    expect(error).toBeInstanceOf(CommandError)
    expect((error as Error).message).toContain('was ended after 1 seconds')
    await vm.fail('pgrep -f "sleep 432[1]"')
  })

  it('ends it when aborted, with the reason', async () => {
    const abort = new AbortController()
    const command = vm.exec('echo on; sleep 4322', { signal: abort.signal })
    // Each look at it makes a stream, and this one gets the reason as its error, too.
    const { stdout } = command
    stdout.on('error', () => {})
    await once(stdout, 'data')
    abort.abort(new Error('changed my mind'))
    await expect(command).rejects.toThrow('changed my mind')
    await vm.fail('pgrep -f "sleep 432[2]"')
  })

  it('ends a command that says too much', async () => {
    await expect(vm.exec('yes', { maxOutput: 100_000 })).rejects.toThrow('maxOutput')
    await vm.fail('pgrep -x yes')
  })

  it('survives commands that kill all that they can see of themselves', async () => {
    await vm.exec('kill -9 0')
    await vm.exec('kill -TERM -1; sleep 1', { user: 'nobody' })
    expect(await vm.succeed('echo alive')).toBe('alive\n')
  })
})

describe('succeed and fail', () => {
  it('say what the command was, both its streams, its end and the console’s', async () => {
    const error = await vm.succeed('echo out; echo err >&2; exit 4').catch((e: unknown) => e)
    expect(error).toBeInstanceOf(CommandError)
    expect(error).toMatchObject({
      exitCode: 4,
      stdout: 'out\n',
      stderr: 'err\n',
      machine: 'driven',
    })
    expect((error as Error).message).toMatch(
      /^driven: `echo out; echo err >&2; exit 4` exited with 4\.\n--- stdout\nout\n--- stderr\nerr\n--- console\n(.*\n)*lowerdir: phase root/,
    )
    await expect(vm.succeed('kill -SEGV $$')).rejects.toThrow('was ended by SIGSEGV')
    expect(await vm.fail('echo why; false')).toBe('why\n')
    await expect(vm.fail('true')).rejects.toThrow('was to fail, and succeeded')
  })
})

describe('waiting', () => {
  it('ends when the file is there, and not before', async () => {
    let isOver = false
    const waiting = vm.waitForFile('/tmp/late', { timeout: 60 }).then(() => (isOver = true))
    await vm.succeed('true')
    expect(isOver).toBe(false)
    await vm.succeed('touch /tmp/late')
    await waiting
    await expect(vm.waitForFile('/tmp/never', { timeout: 1 })).rejects.toThrow(
      'driven: the file /tmp/never: did not come within 1 seconds',
    )
  })

  it('ends when a port is open, and when it is closed', async () => {
    const server = vm.exec(`${busybox} nc -ll -p 7001 -e ${busybox} echo hello`, { timeout: 500 })
    await vm.waitForOpenPort(7001, { timeout: 60 })
    await vm.waitForOpenPort(7001, { address: '127.0.0.2', timeout: 60 })
    await expect(vm.waitForClosedPort(7001, { timeout: 1 })).rejects.toThrow('a closed port 7001')
    server.kill()
    expect(await server).toMatchObject({ signal: 'SIGKILL' })
    await vm.waitForClosedPort(7001, { timeout: 60 })
    await expect(vm.waitForOpenPort(70_000)).rejects.toThrow('70000 is no port')
  })

  it('ends when a unix socket is listened on', async () => {
    const path = "/tmp/it's a socket"
    const listen = `use Socket;
<STDIN>;
socket(my $socket, AF_UNIX, $ARGV[1] eq 'stream' ? SOCK_STREAM : SOCK_DGRAM, 0) or die $!;
bind($socket, pack_sockaddr_un($ARGV[0])) or die $!;
if ($ARGV[1] eq 'stream') { listen($socket, 1) or die $! }
sleep 600`
    const inputs = [new PassThrough(), new PassThrough()]
    const servers = ['stream', 'datagram'].map((kind, i) =>
      vm.exec(['perl', '-e', listen, `${path} ${kind}`, kind], { stdin: inputs[i]! }),
    )
    let isOver = false
    const waiting = Promise.all([
      vm.waitForOpenUnixSocket(`${path} stream`, { timeout: 60 }),
      vm.waitForOpenUnixSocket(`${path} datagram`, { datagram: true, timeout: 60 }),
    ]).then(() => (isOver = true))
    await vm.succeed('true')
    expect(isOver).toBe(false)
    for (const input of inputs) input.end('listen\n')
    await waiting
    await expect(vm.waitForOpenUnixSocket('/tmp/none', { timeout: 1 })).rejects.toThrow('/tmp/none')
    for (const server of servers) server.kill()
  })

  it('repeats a command until it succeeds, or fails', async () => {
    const count = 'echo >>/tmp/tries; [ $(wc -l </tmp/tries) -ge 3 ]'
    await vm.waitUntilSucceeds(`${count} && echo done`)
    expect(await vm.waitUntilFails('sed -i 1d /tmp/tries; grep "" /tmp/tries')).toBe('')
    await inVain(
      (timeout) => vm.waitUntilSucceeds('echo no luck >&2; exit 9', { timeout }),
      /did not come within \d+ seconds, it last exited with 9: no luck/,
    )
  })

  it('sleeps in the guest’s time', async () => {
    const before = Number(await vm.succeed('date +%s%N'))
    await vm.sleep(1)
    expect(Number(await vm.succeed('date +%s%N')) - before).toBeGreaterThan(1e9)
  })

  it('can be aborted', async () => {
    const signal = AbortSignal.timeout(200)
    await expect(vm.waitForFile('/tmp/never', { signal })).rejects.toThrow('timeout')
  })
})

describe('the console', () => {
  it('is kept, and waited for, also for what is no line yet', async () => {
    expect(vm.consoleLog).toContain('lowerdir: phase root\n')
    expect(await vm.waitForConsoleText(/phase r\w+/)).toBe('phase root')
    const prompt = vm.waitForConsoleText('a prompt> ', { timeout: 60 })
    await vm.succeed('printf "a prompt> " >/dev/console')
    await prompt
    await expect(vm.waitForConsoleText('never said', { timeout: 1 })).rejects.toThrow(
      '"never said" on the console',
    )
  })

  it('can be typed on', async () => {
    const reading = vm.succeed('head -n 1 </dev/ttyS0', { timeout: 60 })
    await vm.waitUntilSucceeds('pgrep -x head')
    vm.sendConsole('typed\n')
    expect(await reading).toBe('typed\n')
  })
})

describe('QEMU', () => {
  it('answers its monitor’s commands, in both languages', async () => {
    expect(await vm.qmp('query-status')).toMatchObject({ status: 'running' })
    expect(await vm.hmp('info status')).toMatch(/running/)
    await expect(vm.qmp('no-such-command')).rejects.toThrow('has not been found')
    expect(vm.commandLine).toContain(' -m 512M ')
  })

  it('tells of events', async () => {
    const stopped = vm.waitForQmpEvent(({ event }) => event === 'STOP')
    await vm.qmp('stop')
    expect(await stopped).toMatchObject({ event: 'STOP' })
    await vm.qmp('cont')
    await expect(vm.waitForQmpEvent(() => false, { timeout: 0.2 })).rejects.toThrow('an event')
  })
})

describe('a port of the host', () => {
  it('leads to a port of the guest’s', async () => {
    const port = await freePort()
    const server = vm.exec(`${busybox} nc -ll -p 7002 -e ${busybox} echo from the guest`)
    await vm.waitForOpenPort(7002)
    await vm.forwardPort(port, 7002)
    const { Socket } = await import('node:net')
    const socket = new Socket().connect(port, '127.0.0.1')
    expect(await text(socket)).toBe('from the guest\n')
    server.kill()
    await expect(vm.forwardPort(port, 7002)).rejects.toThrow(`The port ${port} cannot be forwarded`)
  })
})

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}

describe('steps and conditions', () => {
  it('are in the record, with what was done in them', async () => {
    await vm.step('outer', () => vm.step('inner', () => vm.succeed('echo in a step')))
    await expect(vm.step('broken', () => vm.fail('true'))).rejects.toThrow('was to fail')
    const { events } = vm.recorder
    const inner = events.find((event) => event.kind === 'step-started' && event.name === 'inner')
    const outer = events.find((event) => event.kind === 'step-started' && event.name === 'outer')
    const command = events.find(
      (event) => event.kind === 'command-started' && event.text === 'echo in a step',
    )
    expect(inner).toMatchObject({ step: (outer as { id: number }).id })
    expect(command).toMatchObject({ step: (inner as { id: number }).id })
    expect(events.at(-1)).toMatchObject({ kind: 'step-ended' })
    expect(events.at(-1)).toHaveProperty('failure')
  })

  it('hold as long as they are watched', async () => {
    await vm.succeed('touch /tmp/there')
    let checks = 0
    const check = async (): Promise<void> => {
      await vm.succeed('test -e /tmp/there', { quiet: true })
      checks++
    }
    const watching = vm.always('the file is there', check, { interval: 0.1 })
    await expect.poll(() => checks).toBeGreaterThan(2)
    await watching[Symbol.asyncDispose]()
    await vm.succeed('rm /tmp/there')
    expect(await vm.succeed('echo still fine')).toBe('still fine\n')
    const checksThen = checks
    // Another one is checked meanwhile, at the same interval.
    let others = 0
    await using _ = vm.always('another', async () => void others++, { interval: 0.1 })
    await expect.poll(() => others).toBeGreaterThan(2)
    expect(checks).toBe(checksThen)
  })
})

it('has no cables outside of a network', () => {
  expect(() => vm.block()).toThrow('driven is in no network')
})

// From here on each needs what the one before has left.

it('reboots, and forgets what it wrote', async () => {
  await vm.succeed('touch /etc/written')
  const lost = vm.exec('sleep 1000').then(undefined, (error: unknown) => (error as Error).message)
  await vm.reboot({ timeout: 300 })
  expect(await lost).toBe('The guest rebooted.')
  await vm.fail('test -e /etc/written')
})

it('gives up everything when a condition does not hold any more', async () => {
  await using watching = vm.always('the file is there', () => vm.succeed('test -e /etc/gone'), {
    interval: 0.1,
  })
  await expect(vm.waitForFile('/never')).rejects.toThrow('driven: always: the file is there: ')
  await expect(vm.succeed('true')).rejects.toThrow('always: the file is there')
  expect(watching).toBeDefined()
})

it('crashes, and everything that waits hears of it', async () => {
  await using other = await restoreTested()
  const waiting = other
    .waitForFile('/never')
    .then(undefined, (error: unknown) => (error as Error).message)
  const running = other
    .exec('sleep 1000')
    .then(undefined, (error: unknown) => (error as Error).message)
  expect(other.isUp).toBe(true)
  await other.crash()
  expect(other.isUp).toBe(false)
  expect(await waiting).toContain('The test took its power away.')
  expect(await running).toBe('The test took its power away.')
  await expect(other.succeed('true')).rejects.toThrow('The test took its power away.')
  await expect(other.waitForShutdown({ timeout: 5 })).rejects.toThrow('took its power away')
})

it('is one of several that were booted at once, and shuts down', async () => {
  const options = { memory: 384, init: 'none' } as const
  const [other, third] = await bootAll([
    { ...options, name: 'other' },
    { ...options, name: 'third' },
  ])
  if (other === undefined || third === undefined) throw new Error('not all of them are there')
  expect(await Promise.all([other.succeed('hostname'), third.succeed('hostname')])).toEqual([
    'other\n',
    'third\n',
  ])
  const off = third.waitForShutdown()
  await Promise.all([third.qmp('quit'), expect(off).rejects.toThrow('QEMU was told to quit.')])
  expect(third.isUp).toBe(false)
  await third[Symbol.asyncDispose]()
  await expect(other.waitForShutdown({ timeout: 0.5 })).rejects.toThrow('the shutdown')
  await other.shutdown({ timeout: 60 })
  expect(other.isUp).toBe(false)
  expect((await other.ended).message).toBe('The guest powered off.')
  await other[Symbol.asyncDispose]()
})

it('says why it does not boot, with the end of the console', async () => {
  await expect(boot({ name: 'no_host' })).rejects.toThrow('is no host name')
  await expect(boot({ memory: 'much' })).rejects.toThrow('memory: much is no size')
  await expect(boot({ root: '/etc', init: 'systemd' })).rejects.toThrow('has no systemd')
  const panic = boot({ name: 'panics', memory: 384, init: 'none', kernelArguments: 'rdinit=/nope' })
  await expect(panic).rejects.toThrow(
    /^panics: The guest's kernel panicked: (.*\n)+--- console\n(.*\n)*.*Kernel panic/,
  )
})
