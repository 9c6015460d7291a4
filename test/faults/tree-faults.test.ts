// First of all: it must be there before anything of src/ is loaded.
import { libc } from './faulty-libc.mjs'
import { describe, expect, it } from 'vitest'
import { errno } from '../../src/sys/errno.ts'
import type { MessageName } from '../../src/9p/index.ts'
import { messageNames } from '../support/arbitraries.ts'
import { type Absorbed, cleanRun, complaints, faults, type Rules } from './complaints.ts'
import type { Answered } from './run.ts'
import { type Request, scenes } from './scenario.ts'

const names = Object.keys(scenes) as (keyof typeof scenes)[]
const cleanRuns = Object.fromEntries(names.map((name) => [name, cleanRun(scenes[name])])) as {
  readonly [Name in (typeof names)[number]]: ReturnType<typeof cleanRun<Request>>
}

const { run: clean, calls: cleanCalls } = cleanRuns.host

const nothingToReport = 'what was never written through has nothing to report'
const shorter = 'a later step that fails makes a shorter Rwalk (walk(5))'
const stale = 'what loses its name is held if it can be, and is stale otherwise'
const atHand = 'an anchor makes do with the descriptor that the guest has opened'
const changing = ['rename', 'renameat', 'remove', 'unlinkat'] as const

const absorbed: readonly Absorbed<MessageName>[] = [
  {
    requests: ['clunk'],
    call: 'close',
    at: (position, calls) => position === 0 && calls[1] === 'close' && !calls.includes('openat'),
    answer: 'errno',
    reason: 'the first one is the open file’s: the last word about its bytes',
  },
  { requests: ['clunk'], call: 'close', answer: 'any', reason: 'of an anchor, a file or a node' },
  { requests: ['symlink'], call: 'close', answer: 'any', reason: 'the last word about a target' },
  { requests: 'all', call: 'close', answer: 'usual', reason: nothingToReport },
  { requests: ['walk'], call: 'openat', answer: 'shorter', reason: shorter },
  { requests: ['walk'], call: 'statx', answer: 'shorter', reason: shorter },
  { requests: ['walk'], call: 'getxattr', answer: 'shorter', reason: shorter },
  { requests: ['walk'], call: 'name_to_handle_at', answer: 'shorter', reason: shorter },
  { requests: 'all', call: 'openat', errno: 'EMFILE', answer: 'any', reason: 'others give back' },
  { requests: changing, call: 'openat', answer: 'any', reason: stale },
  { requests: changing, call: 'statx', answer: 'any', reason: stale },
  { requests: changing, call: 'name_to_handle_at', answer: 'any', reason: stale },
  { requests: ['lock'], call: 'openat', answer: 'any', reason: atHand },
  { requests: ['lock', 'clunk'], call: 'fcntl', answer: 'waiter', reason: 'it was for that lock' },
]

const rules: Rules<MessageName> = {
  absorbed,
  // clunk(5), remove(5)
  freeing: new Set(['clunk', 'remove']),
  inParts: new Set(['setattr', 'write', 'lopen']),
  // An attribute could not be set, and the fid for it is gone.
  loses: ({ request, answer }, { calls }, name) =>
    answer === name &&
    calls.some((each) => /^(set|remove)xattr/.test(each)) &&
    request.name === 'clunk',
}

/** What is wrong with the runs of a scene in which a call fails. */
function complaintsOf(
  scene: keyof typeof scenes,
  name: (typeof faults)[number] | 'EINTR',
  chosen?: (index: number) => boolean,
): string[] {
  return complaints(scenes[scene], cleanRuns[scene], rules, name, chosen)
}

describe('a call of libc that fails', () => {
  it.each(Object.entries(cleanRuns))('can be any on %s', (_scene, { run }) => {
    const used = new Set(run.answers.map(({ request }) => request.name))
    expect([...used].toSorted()).toEqual(messageNames.toSorted())
    expect([run.opened, run.left, run.closedTwice, run.log]).toEqual(['ok', 0, [], []])
    expect(run.answers.filter(({ miscounted }) => miscounted !== 0)).toEqual([])
  })

  it.each(faults)('with %s is what the client is told, and leaves nothing behind', (name) => {
    expect(complaintsOf('host', name)).toEqual([])
  })

  it.each(faults)('with %s leaves no half of a file with attributes beside it', (name) => {
    expect(complaintsOf('mapped-xattr', name)).toEqual([])
  })

  it.each(['crowded', 'crowded mapped-xattr'] as const)('where nodes come and go: %s', (which) => {
    for (const [turn, name] of faults.entries()) {
      // There are many of them, so each fails once.
      const isChosen = (index: number): boolean => index % faults.length === turn
      expect([name, complaintsOf(which, name, isChosen)]).toEqual([name, []])
    }
  })

  it('with EINTR is made again', () => {
    expect(complaintsOf('mapped-xattr', 'EINTR')).toEqual([])
  })

  it('with EINTR all the time is EINTR in the end', () => {
    const first = cleanCalls.indexOf('pread')
    const run = scenes.host.run(first, { errno: errno.EINTR }, Infinity)
    const read = run.answers.find(({ request }) => request.name === 'read')
    expect(read?.answer).toBe('EINTR')
    expect(libc.calls.filter((call) => call === 'pread').length).toBeGreaterThan(50)
  })

  it('has only exceptions that really occur', () => {
    const all = Object.values(cleanRuns).flatMap(({ run }) => run.answers)
    for (const { requests, call } of absorbed) {
      const made = all.some(
        ({ request: { name }, calls }) =>
          (requests === 'all' || requests.includes(name)) && calls.includes(call),
      )
      expect([requests, call, made]).toEqual([requests, call, true])
    }
  })
})

describe('Tfsync', () => {
  it.each([
    [0, 'fsync'],
    [1, 'fdatasync'],
  ])('with datasync %i makes %s, and tells what it says', (datasync, call) => {
    const isIt = ({ request: { name, fields } }: Answered<Request>): boolean =>
      name === 'fsync' && (fields as { datasync: number }).datasync === datasync
    expect(clean.answers.find(isIt)?.calls).toEqual([call])
    const run = scenes.host.run(cleanCalls.indexOf(call), { errno: errno.EIO })
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
    const run = scenes.host.run(index, { errno: errno.EPERM })
    expect(run.answers[opening]?.calls).toEqual(['statx', 'openat', 'openat', 'fcntl'])
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
    const run = scenes.host.run(index, { most: 3 })
    const first = run.answers.find(({ request }) => request.name === name)
    expect([first?.answer, run.left, run.log]).toEqual([answer, 0, []])
    expect(first?.again).toBe(clean.answers.find((each) => each.request === first?.request)?.answer)
  })
})
