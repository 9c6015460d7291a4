import { describe, expect, it } from 'vitest'
import type { MachineEvent } from '../../src/record/event.ts'
import { type Entry, historyOf } from '../../src/report/history.ts'
import { describeEntry } from '../../src/report/describe-entry.ts'
import { START, at } from './sample.ts'

function entriesOf(events: readonly MachineEvent[]): readonly Entry[] {
  return historyOf(events)!.entries
}

function said(entry: Entry): string {
  const { text, outcome, state } = describeEntry(entry)
  return [text, outcome, state].filter(Boolean).join(' | ')
}

describe('the history of a machine', () => {
  it('is none without events', () => expect(historyOf([])).toBeUndefined())

  it('joins beginnings to ends, also when they cross', () => {
    const entries = entriesOf(
      at(
        [0, { kind: 'command-started', id: 1, text: 'a' }],
        [1, { kind: 'command-started', id: 2, text: 'b' }],
        [2, { kind: 'command-output', id: 1, stream: 'stdout', text: 'from a' }],
        [3, { kind: 'command-ended', id: 1, exitCode: 0 }],
        [4, { kind: 'command-ended', id: 2, exitCode: 3 }],
      ),
    )
    expect(entries).toMatchObject([
      { start: START, end: START + 3000, isOver: true, output: [{ text: 'from a' }] },
      { start: START + 1000, end: START + 4000, isOver: true, output: [] },
    ])
    expect(entries.map(said)).toEqual(['a | exit 0 | good', 'b | exit 3 | doubtful'])
  })

  it('lasts until its last event where something never ended', () => {
    const [entry] = entriesOf(
      at([0, { kind: 'wait-started', id: 1, what: 'x' }], [7, { kind: 'console', line: '' }]),
    )
    expect(entry).toMatchObject({ end: START + 7000, isOver: false })
    expect(said(entry!)).toBe('wait for x | not over | open')
  })

  it('knows how deep in steps everything is', () => {
    const entries = entriesOf(
      at(
        [0, { kind: 'step-started', id: 1, name: 'outer' }],
        [1, { kind: 'step-started', id: 2, name: 'inner', step: 1 }],
        [2, { kind: 'wait-started', id: 3, what: 'x', step: 2 }],
        [3, { kind: 'wait-ended', id: 3, failure: 'too late' }],
        [4, { kind: 'step-ended', id: 2, failure: 'too late' }],
        [5, { kind: 'step-ended', id: 1 }],
      ),
    )
    expect(entries.map((entry) => ('depth' in entry ? entry.depth : 0))).toEqual([0, 1, 2])
    expect(entries.map(said)).toEqual([
      'outer | good',
      'inner | too late | bad',
      'wait for x | too late | bad',
    ])
  })

  it('has a boot for each QEMU, with its phases', () => {
    const entries = entriesOf(
      at(
        [0, { kind: 'machine', name: 'm', accelerator: 'kvm' }],
        [1, { kind: 'qemu', command: ['qemu'] }],
        [2, { kind: 'phase', phase: 'root' }],
        [3, { kind: 'ready' }],
        [9, { kind: 'qemu', command: ['qemu'] }],
      ),
    )
    expect(entries).toMatchObject([
      { kind: 'boot', isOver: true, phases: [{ phase: 'root' }] },
      { kind: 'boot', isOver: false, phases: [] },
    ])
  })

  it.each([
    [{ kind: 'command-ended', id: 1, exitCode: null, signal: 'SIGTERM' }, 'SIGTERM | doubtful'],
    [{ kind: 'command-ended', id: 1, exitCode: null, failure: 'timed out' }, 'timed out | bad'],
    [{ kind: 'command-ended', id: 1, exitCode: null }, 'no exit status | doubtful'],
  ] as const)('says how a command ended: %j', (end, expected) => {
    const [entry] = entriesOf(at([0, { kind: 'command-started', id: 1, text: 'x' }], [1, end]))
    expect(said(entry!)).toBe(`x | ${expected}`)
  })

  it('survives ends without a beginning, and events that it does not know', () => {
    const events = [
      ...at(
        [0, { kind: 'command-ended', id: 1, exitCode: 0 }],
        [0, { kind: 'command-output', id: 2, stream: 'stdout', text: '' }],
        [0, { kind: 'step-ended', id: 3 }],
        [0, { kind: 'phase', phase: 'x' }],
        [0, { kind: 'ready' }],
      ),
      { time: START, kind: 'from the future' } as unknown as MachineEvent,
    ]
    expect(entriesOf(events)).toEqual([])
  })

  it('says what happened at one moment', () => {
    const entries = entriesOf(
      at(
        [0, { kind: 'file-copied', direction: 'to-guest', source: './a', target: '/a' }],
        [0, { kind: 'network', change: 'partition' }],
        [0, { kind: 'snapshot', action: 'restored', name: 's' }],
        [0, { kind: 'screenshot', file: 'x.png' }],
        [0, { kind: 'note', text: 'hello' }],
        [0, { kind: 'unit-failed', unit: 'x.service', result: 'signal' }],
        [0, { kind: 'ended', reason: 'QEMU was ended by SIGKILL.', unexpected: true }],
      ),
    )
    expect(entries.map(said)).toEqual([
      './a copied to the guest as /a | good',
      'network: partition | good',
      'snapshot s restored | good',
      'screenshot x.png | good',
      'hello | good',
      'unit x.service failed | signal | bad',
      'the machine ended: QEMU was ended by SIGKILL. | unexpected | bad',
    ])
  })
})
