import { setImmediate as turn } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  type ClockProcess,
  type ClockSetterEvents,
  ClockSetter,
} from '../../../src/machine/control/clock-setter.ts'
import type { Deferred } from '../../../src/tree/deferred.ts'
import type { SyntheticDirectory, SyntheticHandle } from '../../../src/tree/synthetic/entry.ts'

/** What the setter has called. */
let called: string[]
let now: number
let setter: ClockSetter

const events: ClockSetterEvents = {
  start: () => called.push('start'),
  onWaiting: () => called.push('waiting'),
}

const make = (saved: ClockProcess): ClockSetter => new ClockSetter(events, saved, () => now)

beforeEach(() => {
  called = []
  now = 1_000_000_500
  setter = make('none')
})

afterEach(() => setter.clear())

function fileOf(directory: SyntheticDirectory, name: string): SyntheticHandle {
  const entry = directory.entries.get(name)
  if (entry?.kind !== 'file') throw new Error(`${name} is no file`)
  return entry.open()
}

/** The guest's process opens its next script. */
function opened() {
  const handle = fileOf(setter.directory, 'next')
  const given = handle.read!(0, 8191) as Deferred<Uint8Array>
  let text: string | undefined
  given.wait((outcome) => {
    if (outcome.ok) text = Buffer.from(outcome.value).toString().trimEnd()
  })
  return { text: () => text, close: () => handle.close!() }
}

const answer = (text: string): void =>
  void fileOf(setter.directory, 'answer').write!(0, Buffer.from(text))

const allowed = (): string[] => {
  const go = setter.directory.entries.get('go')
  return go?.kind === 'directory' ? [...go.entries.keys()] : []
}

const idOf = (script = ''): string => /echo "(\d+) /.exec(script)?.[1] ?? ''

const step = { late: 1.5, lead: 20, base: [10.2, 20.1] } as const

describe('the process that sets a guest’s clock', () => {
  it('is started once, and asks for one script after the other', async () => {
    const first = setter.look()
    setter.prepare()
    expect([called, setter.process]).toEqual([['start'], 'busy'])
    // What counts is when the script was given out.
    now += 7000
    const script = opened()
    await turn()
    now += 30
    answer(`${idOf(script.text())} 10.25 1000000.520000 10.27\n`)
    now += 40
    expect(await first).toMatchObject({
      time: 1_000_000_520,
      sent: 1_000_007_500,
      arrived: 1_000_007_531,
    })
    script.close()
    opened()
    expect([called, setter.process]).toEqual([['start', 'waiting'], 'waiting'])
  })

  it('may set the clock until it has answered, or the machine is to be saved', async () => {
    const stepping = setter.step(step)
    const script = opened()
    await turn()
    const id = idOf(script.text())
    expect(script.text()).toContain(' + 1500 + 20000))')
    expect(script.text()).toContain('-le 20100 ] ')
    expect(script.text()).toContain('-ge 10200 ]')
    expect(script.text()).toContain(`[ ! -e /control/clock/go/${id} ] || {`)
    expect(allowed()).toEqual([id])
    setter.stop()
    expect(allowed()).toEqual([])
    answer(`${id} 10.25 1000000.520000 10.27\n`)
    expect(await stepping).toMatchObject({ isSet: false })

    const again = setter.step(step)
    script.close()
    const next = opened()
    await turn()
    expect(allowed()).toEqual([idOf(next.text())])
    answer(`${idOf(next.text())} 10.25 1000000.520000 10.27 set\n`)
    expect(await again).toMatchObject({ isSet: true })
    expect(allowed()).toEqual([])
  })

  it('has no number of a machine that goes on from the same snapshot', async () => {
    void setter.look()
    const other = make('none')
    void other.look()
    const [one, two] = [setter, other].map((each) => {
      setter = each
      return opened()
    })
    await turn()
    expect(idOf(one?.text())).not.toBe(idOf(two?.text()))
    other.clear()
  })

  it('is heard only for what it was asked', async () => {
    const looking = setter.look()
    const script = opened()
    await turn()
    for (const text of ['', '1 2.00 3.000000 4.00\n', 'x'.repeat(100_000), '\0'.repeat(200)])
      answer(text)
    const fake = `${idOf(script.text())} ${'9'.repeat(400)}`
    answer(fake)
    expect(await looking).toBeUndefined()
    // An answer that comes too late.
    answer(`${idOf(script.text())} 10.25 1000000.520000 10.27\n`)
  })

  it('comes back where it was saved with a script, and is then given the next one', async () => {
    setter = make('busy')
    const set = setter.set(5_000_999)
    expect(called).toEqual([])
    const script = opened()
    await turn()
    expect(script.text()).toBe('exec date -s @5000 >/dev/null')
    script.close()
    await set
    // It has ended with its script, and another one takes its place.
    void setter.look()
    expect(called).toEqual(['start'])
  })

  it('has no say any more once the guest has started anew', async () => {
    const looking = setter.look()
    const script = opened()
    await turn()
    setter.clear()
    expect(await looking).toBeUndefined()
    script.close()
    expect(setter.process).toBe('none')
  })

  it('sets the clock right once for all who want that meanwhile', async () => {
    const both = [setter.setRight(), setter.setRight()]
    await turn()
    const script = opened()
    await turn()
    answer(`${idOf(script.text())} 10.25 1000000.500000 10.27\n`)
    expect(await Promise.all(both)).toEqual([{ kind: 'right' }, { kind: 'right' }])
    expect(both[0]).toBe(both[1])
  })

  it('stops in the middle when the machine is to be saved, and sets the clock right afterwards', async () => {
    const first = setter.setRight()
    await turn()
    const script = opened()
    await turn()
    setter.stop()
    const second = setter.setRight()
    answer(`${idOf(script.text())} 10.25 1000007.500000 10.27\n`)
    expect(await first).toEqual({ kind: 'stopped' })
    script.close()
    const next = opened()
    await turn()
    answer(`${idOf(next.text())} 10.25 1000000.500000 10.27\n`)
    expect(await second).toEqual({ kind: 'right' })
  })
})
