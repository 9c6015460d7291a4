import { Readable } from 'node:stream'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { changes } from '../../src/driver/changes.ts'
import { readFile, writeFile } from '../../src/driver/guest-files.ts'
import type { RunningGuest } from '../../src/driver/running-guest.ts'
import { SilentQemu } from '../support/silent-qemu.ts'

/** How long a guest may take to confirm that a command has ended, in milliseconds. */
const GRACE = 5000

let qemu: SilentQemu
let guest: RunningGuest

beforeEach(async () => {
  qemu = new SilentQemu()
  guest = qemu.guest
  await qemu.connect()
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
})

afterEach(() => {
  vi.useRealTimers()
  qemu.client.close()
})

/** Lets time pass, and everything that then happens. */
async function pass(milliseconds: number): Promise<void> {
  await vi.advanceTimersByTimeAsync(milliseconds)
}

/** Whether a wait has ended, and how. */
interface Outcome {
  error?: Error
  value?: unknown
}

function outcomeOf(wait: PromiseLike<unknown>): Outcome {
  const outcome: Outcome = {}
  wait.then(
    (value) => (outcome.value = value),
    (error: unknown) => (outcome.error = error as Error),
  )
  return outcome
}

type Bounds = { readonly timeout?: number; readonly signal?: AbortSignal }

describe.each<[string, (bounds: Bounds) => PromiseLike<unknown>]>([
  ['exec', (bounds) => guest.exec('sleep 1000', bounds)],
  ['succeed', (bounds) => guest.succeed('sleep 1000', bounds)],
  ['readFile', (bounds) => readFile(guest, '/etc/hostname', bounds)],
  ['writeFile', (bounds) => writeFile(guest, '/etc/x', Readable.from([]), bounds)],
])('%s of a guest that does not end its command', (_name, start) => {
  it('ends a grace period after its timeout', async () => {
    const outcome = outcomeOf(start({ timeout: 1 }))
    await qemu.takeCommand()
    await pass(1000 + GRACE - 1)
    expect(outcome).toEqual({})
    expect(guest.isAnswering).toBe(true)
    await pass(1)
    expect(outcome.error?.message).toMatch(/^m: .*ended after 1 seconds/)
    expect(guest.isAnswering).toBe(false)
  })

  it('ends a grace period after its signal was aborted, with the signal’s reason', async () => {
    const abort = new AbortController()
    const outcome = outcomeOf(start({ signal: abort.signal }))
    await qemu.takeCommand()
    const reason = new Error('enough')
    abort.abort(reason)
    await pass(GRACE - 1)
    expect(outcome).toEqual({})
    await pass(1)
    expect(outcome.error).toBe(reason)
  })

  it('ends at once where the command has not reached the guest', async () => {
    const outcome = outcomeOf(start({ timeout: 1 }))
    await pass(1000)
    expect(outcome.error?.message).toMatch(/ended after 1 seconds/)
    expect(guest.isAnswering).toBe(true)
  })

  it('never ends by itself with an infinite timeout', async () => {
    const outcome = outcomeOf(start({ timeout: Infinity }))
    await qemu.takeCommand()
    await pass(2 ** 32)
    expect(outcome).toEqual({})
  })

  it('is refused with a time that cannot be', async () => {
    await expect((async () => start({ timeout: Number.NaN }))()).rejects.toThrow(RangeError)
  })
})

describe('a command that the guest does not end', () => {
  it('says so, with what it has written', async () => {
    const outcome = outcomeOf(guest.exec('sleep 1000', { timeout: 1 }))
    const { stdout } = await qemu.takeCommand()
    await qemu.write(stdout, 'so far')
    await pass(1000 + GRACE)
    expect(outcome.error?.message).toBe(
      'm: `sleep 1000` was ended after 1 seconds; the guest has not confirmed that within 5 seconds, so it may run on.\n--- stdout\nso far\n--- console\nthe last line',
    )
  })

  it('ends a grace period after it was killed', async () => {
    const command = guest.exec('sleep 1000')
    const outcome = outcomeOf(command)
    await qemu.takeCommand()
    command.kill()
    await pass(GRACE)
    expect(outcome.error?.message).toMatch(/`sleep 1000` was killed; the guest has not confirmed/)
  })

  it('ends a grace period after it has written too much', async () => {
    const outcome = outcomeOf(guest.exec('cat /dev/zero', { maxOutput: 10 }))
    const { stdout } = await qemu.takeCommand()
    await qemu.write(stdout, 'x'.repeat(11))
    await pass(GRACE)
    expect(outcome.error?.message).toMatch(/ended after 10 bytes of output/)
  })

  it('ends the loop over its output', async () => {
    const lines: string[] = []
    const loop = outcomeOf(
      (async () => {
        for await (const line of guest.exec('tail -f x', { timeout: 1 }).lines()) lines.push(line)
      })(),
    )
    const { stdout } = await qemu.takeCommand()
    await qemu.write(stdout, 'one\ntwo')
    await pass(1000 + GRACE)
    expect(lines).toEqual(['one'])
    expect(loop.error?.message).toMatch(/was ended after 1 seconds/)
  })

  it('marks a guest that is not ready for it for longer than the grace period', async () => {
    const outcome = outcomeOf(guest.exec('true', { timeout: 10 }))
    await pass(10_000)
    expect(outcome.error?.message).toMatch(/was ended after 10 seconds\./)
    expect(guest.isAnswering).toBe(false)
  })

  it('does not mark a guest that is heard meanwhile', async () => {
    const outcome = outcomeOf(guest.exec('sleep 1000', { timeout: 1 }))
    const { stdout } = await qemu.takeCommand()
    await pass(1000)
    await qemu.write(stdout, 'still here')
    await pass(GRACE)
    expect(outcome.error).toBeDefined()
    expect(guest.isAnswering).toBe(true)
  })

  it('costs each small piece of its output no more than its bytes', async () => {
    const command = guest.exec('cat /dev/zero')
    const { stdout, stderr } = await qemu.takeCommand()
    for (let i = 0; i < 2000; i++) await qemu.write(stdout, 'x')
    await qemu.write(stderr, 'y')
    await qemu.write(stdout, 'z')
    const pieces: string[] = []
    for await (const { stream, data } of command) {
      pieces.push(`${stream}: ${data.length}`)
      if (pieces.length === 3) break
    }
    expect(pieces).toEqual(['stdout: 2000', 'stderr: 1', 'stdout: 1'])
  })

  it('is killed for changing between its streams without end', async () => {
    const outcome = outcomeOf(guest.exec('x', { maxOutput: 10_000 }))
    const { stdout, stderr } = await qemu.takeCommand()
    for (let i = 0; i < 50; i++) {
      await qemu.write(stdout, 'x')
      await qemu.write(stderr, 'y')
    }
    await pass(GRACE)
    expect(outcome.error?.message).toMatch(/ended after 10000 bytes of output/)
  })
})

describe('a guest that is marked as not answering', () => {
  beforeEach(async () => {
    const first = outcomeOf(guest.exec('sleep 1000', { timeout: 0 }))
    await qemu.takeCommand()
    await pass(GRACE)
    if (first.error === undefined || guest.isAnswering) throw new Error('it is not marked')
  })

  it.each<[string, () => PromiseLike<unknown>]>([
    ['a command', () => guest.exec('true')],
    ['a transfer', () => readFile(guest, '/etc/hostname', {})],
    ['a question to the agent', () => changes(guest, {})],
  ])('gets the grace period for %s, and not its timeout', async (_what, start) => {
    const outcome = outcomeOf(start())
    await pass(GRACE + 1)
    expect(outcome.error?.message).toMatch(/^m: .*5 seconds/)
  })

  it('is a guest like any other once it is heard', async () => {
    const outcome = outcomeOf(guest.exec('true'))
    await qemu.client.call.statfs({ fid: 0 })
    expect(guest.isAnswering).toBe(true)
    await pass(10 * GRACE)
    expect(outcome).toEqual({})
  })

  it('is noted in the record', () => {
    expect(guest.recorder.events).toContainEqual(
      expect.objectContaining({ kind: 'note', text: 'the guest does not answer any more' }),
    )
  })
})

describe('a monitor that does not answer', () => {
  it('ends each question with its timeout or its signal, and is marked then', async () => {
    const late = outcomeOf(guest.qmp('query-status', {}, { timeout: 1 }))
    await pass(1000)
    expect(late.error?.message).toMatch(/m: QEMU's answer to query-status: did not come within 1 s/)
    const signal = AbortSignal.abort(new Error('enough'))
    await expect(guest.hmp('info network', { signal })).rejects.toThrow('enough')
    await pass(GRACE)
    expect(guest.isAnswering).toBe(false)
    const next = outcomeOf(guest.screen.screenshot())
    await pass(GRACE)
    await vi.waitFor(() => expect(next.error).toBeDefined())
    expect(next.error?.message).toMatch(/answer to screendump: did not come within 5 seconds/)
  })
})

describe('a file of a guest', () => {
  it('is not kept beyond a limit, and the error says what to use instead', async () => {
    const outcome = outcomeOf(readFile(guest, '/dev/zero', {}))
    const { stdout } = await qemu.takeCommand()
    const piece = Buffer.alloc(1 << 16)
    for (let i = 0; i <= 4096; i++) await qemu.write(stdout, piece)
    await pass(GRACE)
    expect(outcome.error?.message).toMatch(/more than 268435456 bytes.*copyToHost/)
  })

  it('may come with complaints without end, of which the beginning is kept', async () => {
    const outcome = outcomeOf(readFile(guest, '/x', {}))
    const { stdout, stderr } = await qemu.takeCommand()
    await qemu.write(stderr, 'the reason\n')
    for (let i = 0; i < 100; i++) await qemu.write(stderr, 'x'.repeat(1 << 16))
    for (const fid of [stdout, stderr]) await qemu.client.call.clunk({ fid })
    await vi.waitFor(() => expect(outcome.error).toBeDefined())
    expect(outcome.error?.message).toMatch(/the reason/)
    expect(outcome.error?.message.length).toBeLessThan(70_000)
  })
})
