// First of all: it must be there before anything of src/ is loaded.
import { libc } from './faulty-libc.mjs'
import { describe, expect, it } from 'vitest'
import { errno } from '../../src/errno.ts'
import { messageNames } from '../support/arbitraries.ts'
import { type Answered, runScenario } from './run.ts'

/** What a file system or a kernel without room may answer to anything. */
const faults = ['EIO', 'ENOSPC', 'EDQUOT', 'EMFILE', 'ENOMEM'] as const

const clean = runScenario(-1, { errno: 0 })
const cleanCalls = [...libc.calls]

/** A call that may fail without the client's hearing of it. */
interface Absorbed {
  readonly request: string
  readonly call: string
  /** Whether it is this one, the request's call number `position`. */
  at?(position: number): boolean
  readonly answer: 'usual' | 'shorter'
  readonly reason: string
}

const nothingToReport = 'an O_PATH descriptor has nothing to report'
const shorter = 'a later step that fails makes a shorter Rwalk (walk(5))'

const absorbed: readonly Absorbed[] = [
  { request: 'walk', call: 'close', answer: 'usual', reason: nothingToReport },
  { request: 'lcreate', call: 'close', answer: 'usual', reason: nothingToReport },
  { request: 'mkdir', call: 'close', answer: 'usual', reason: nothingToReport },
  { request: 'symlink', call: 'close', answer: 'usual', reason: nothingToReport },
  {
    request: 'clunk',
    call: 'close',
    // The first one is the open file's, and what it has to say is the last word about its bytes.
    at: (position) => position > 0,
    answer: 'usual',
    reason: nothingToReport,
  },
  { request: 'walk', call: 'openat', at: (at) => at > 0, answer: 'shorter', reason: shorter },
  { request: 'walk', call: 'statx', at: (at) => at > 1, answer: 'shorter', reason: shorter },
]

/** Every difference between the run in which one call failed and the clean one. */
function complaints(name: (typeof faults)[number] | 'EINTR'): string[] {
  const found: string[] = []
  for (const [index, call] of cleanCalls.entries()) {
    const run = runScenario(index, { errno: errno[name] })
    const complain = (text: string): unknown => found.push(`${call} ${index}: ${text}`)
    if (run.left !== 0) complain(`${run.left} descriptors left`)
    if (run.closedTwice.length > 0) complain('a descriptor was closed twice')
    if (run.log.length > 0) complain(run.log.join())
    if (index < clean.openingCalls.length) {
      if (run.opened !== (name === 'EINTR' ? 'ok' : name))
        complain(`opening answered ${run.opened}`)
      continue
    }
    let before = clean.state
    for (const [at, answered] of run.answers.entries()) {
      const usual = clean.answers[at] as Answered
      const title = `T${answered.request.name} number ${at}`
      if (answered.failed === undefined) {
        if (answered.answer !== usual.answer) complain(`later ${title} answered ${answered.answer}`)
      } else {
        for (const text of wrongs(name, answered, usual, before)) complain(`${title} ${text}`)
      }
      before = usual.state
    }
  }
  return found
}

/** What is wrong with the answer to the request during which the call failed. */
function wrongs(name: string, answered: Answered, usual: Answered, before: string): string[] {
  const { request, calls, answer, again, state, failed = -1 } = answered
  const exception = absorbed.find(
    (each) =>
      each.request === request.name && each.call === calls[failed] && (each.at?.(failed) ?? true),
  )
  if (name === 'EINTR' || exception?.answer === 'usual') {
    return answer === usual.answer ? [] : [`answered ${answer}`]
  }
  const found: string[] = []
  if (exception === undefined ? answer !== name : !usual.answer.startsWith(answer)) {
    found.push(`answered ${answer}`)
  }
  // A failed Tclunk frees the fid as well (clunk(5)).
  if (again !== (request.name === 'clunk' ? 'EBADF' : usual.answer)) {
    found.push(`answered ${again} when asked again`)
  }
  // Several attributes at once are several calls, and those before the one that failed are made.
  const inParts = request.name === 'setattr' && failed > 0
  if (state !== before && !inParts) found.push(`left behind:\n${state}\nwhere there was\n${before}`)
  return found
}

describe('a call of libc that fails', () => {
  it('can be any that a request of the table leads to', () => {
    const used = new Set(clean.answers.map(({ request }) => request.name))
    expect([...used].toSorted()).toEqual(messageNames.toSorted())
    expect([clean.opened, clean.left, clean.closedTwice, clean.log]).toEqual(['ok', 0, [], []])
  })

  it.each(faults)('with %s is what the client is told, and leaves nothing behind', (name) => {
    expect(complaints(name)).toEqual([])
  })

  it('with EINTR is made again', () => {
    expect(complaints('EINTR')).toEqual([])
  })

  it('with EINTR all the time is EINTR in the end', () => {
    const first = cleanCalls.indexOf('pread')
    const run = runScenario(first, { errno: errno.EINTR }, Infinity)
    const read = run.answers.find(({ request }) => request.name === 'read')
    expect(read?.answer).toBe('EINTR')
    expect(libc.calls.filter((call) => call === 'pread').length).toBeGreaterThan(50)
  })

  it('is only excused where something really excuses it', () => {
    for (const { request, call } of absorbed) {
      const made = clean.answers.some(
        ({ request: { name }, calls }) => name === request && calls.includes(call),
      )
      expect([request, call, made]).toEqual([request, call, true])
    }
  })
})

describe('Tfsync', () => {
  it.each([
    [0, 'fsync'],
    [1, 'fdatasync'],
  ])('with datasync %i makes %s, and tells what it says', (datasync, call) => {
    const isIt = ({ request: { name, fields } }: Answered): boolean =>
      name === 'fsync' && (fields as { datasync: number }).datasync === datasync
    expect(clean.answers.find(isIt)?.calls).toEqual([call])
    const run = runScenario(cleanCalls.indexOf(call), { errno: errno.EIO })
    expect(run.answers.find(isIt)?.answer).toBe('EIO')
  })
})

describe('Tlopen', () => {
  it('does without O_NOATIME where the host refuses it after all', () => {
    const opening = clean.answers.findIndex(({ request }) => request.name === 'lopen')
    const [statx, openat] = clean.answers[opening]?.calls ?? []
    expect([statx, openat]).toEqual(['statx', 'openat'])
    const before = clean.answers.slice(0, opening).flatMap(({ calls }) => calls)
    const index = clean.openingCalls.length + before.length + 1
    const run = runScenario(index, { errno: errno.EPERM })
    expect(run.answers[opening]?.calls).toEqual(['statx', 'openat', 'openat'])
    expect(run.answers[opening]?.answer).toBe(clean.answers[opening]?.answer)
    expect(run.left).toBe(0)
  })
})

describe('a call of libc that does less than it was asked for', () => {
  it.each([
    ['pread', 'read', 'ok, data con'],
    ['pwrite', 'write', 'ok, count 3'],
  ])('%s says so, and the client asks on', (call, name, answer) => {
    const index = cleanCalls.indexOf(call)
    const run = runScenario(index, { most: 3 })
    const first = run.answers.find(({ request }) => request.name === name)
    expect([first?.answer, run.left, run.log]).toEqual([answer, 0, []])
    expect(first?.again).toBe(clean.answers.find((each) => each.request === first?.request)?.answer)
  })
})
