// First of all: it must be there before anything of src/ is loaded.
import { libc } from './faulty-libc.mjs'
import { describe, expect, it } from 'vitest'
import { errno } from '../../src/sys/errno.ts'
import type { MessageName } from '../../src/9p/index.ts'
import { messageNames } from '../support/arbitraries.ts'
import { type Answered, type Run, type Scene, scenes } from './run.ts'

/** Errnos that a file system or a kernel without room may return from any call. */
const faults = ['EIO', 'ENOSPC', 'EDQUOT', 'EMFILE', 'ENOMEM'] as const

interface Clean {
  readonly run: Run
  readonly calls: readonly string[]
}

function cleanRun(scene: Scene): Clean {
  const run = scene.run(-1, { errno: 0 })
  return { run, calls: [...libc.calls] }
}

const cleanRuns = Object.fromEntries(
  Object.entries(scenes).map(([name, scene]) => [name, cleanRun(scene)]),
) as Record<keyof typeof scenes, Clean>

const { run: clean, calls: cleanCalls } = cleanRuns.host

/** A call whose failure the client does not see, or sees with another errno. */
interface Absorbed {
  readonly requests: readonly MessageName[] | 'all'
  readonly call: string
  /** Only for this errno. */
  readonly errno?: string
  /** Only for the call at this `position` among the request's calls. */
  at?(position: number, calls: readonly string[]): boolean
  /** `any`: the usual answer or the errno; `waiter`: a request that waits for a lock gets the errno. */
  readonly answer: 'errno' | 'usual' | 'shorter' | 'any' | 'waiter'
  readonly reason: string
}

const nothingToReport = 'what was never written through has nothing to report'
const shorter = 'a later step that fails makes a shorter Rwalk (walk(5))'
const stale = 'what loses its name is held if it can be, and is stale otherwise'
const atHand = 'an anchor makes do with the descriptor that the guest has opened'
const changing = ['rename', 'renameat', 'remove', 'unlinkat'] as const

const absorbed: readonly Absorbed[] = [
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

/** Every difference between the runs in which one call failed and the clean one. */
function complaints(
  scene: Scene,
  { run: usualRun, calls }: Clean,
  name: (typeof faults)[number] | 'EINTR',
  chosen: (index: number) => boolean = () => true,
): string[] {
  const found: string[] = []
  for (const [index, call] of calls.entries()) {
    if (!chosen(index)) continue
    const run = scene.run(index, { errno: errno[name] })
    const complain = (text: string): unknown => found.push(`${call} ${index}: ${text}`)
    if (run.left !== 0) complain(`${run.left} descriptors left`)
    if (run.closedTwice.length > 0) complain('a descriptor was closed twice')
    if (run.log.length > 0) complain(run.log.join())
    if (index < usualRun.openingCalls.length) {
      // A call that fails while the tree is opened makes the opening fail. EINTR is repeated.
      if (run.opened !== (name === 'EINTR' ? 'ok' : name))
        complain(`opening answered ${run.opened}`)
      continue
    }
    let before = usualRun.state
    let lost = false
    for (const [at, answered] of run.answers.entries()) {
      const usual = usualRun.answers[at] as Answered
      const title = `T${answered.request.name} number ${at}`
      if (answered.miscounted !== 0) complain(`${title} miscounted ${answered.miscounted}`)
      if (answered.failed === undefined) {
        if (answered.answer !== usual.answer && !lost)
          complain(`later ${title} answered ${answered.answer}`)
      } else {
        for (const text of wrongs(name, answered, usual, before)) complain(`${title} ${text}`)
        // An attribute could not be set, and the fid for it is gone.
        lost =
          answered.answer === name &&
          usual.calls.some((each) => /^(set|remove)xattr/.test(each)) &&
          answered.request.name === 'clunk'
      }
      before = usual.state
    }
  }
  return found
}

/** What is wrong with the answer to the request during which the call failed. */
function wrongs(name: string, answered: Answered, usual: Answered, before: string): string[] {
  const { request, calls, answer, again, state, failed = -1, settling } = answered
  // The request must not be affected: a call is repeated after EINTR, and a failure while a node settles is ignored.
  if (name === 'EINTR' || settling) return answer === usual.answer ? [] : [`answered ${answer}`]
  const exception = absorbed.find(
    (each) =>
      (each.requests === 'all' || each.requests.includes(request.name)) &&
      each.call === calls[failed] &&
      (each.errno ?? name) === name &&
      (each.at?.(failed, calls) ?? true),
  )
  if (answer === usual.answer && exception !== undefined && exception.answer !== 'errno') {
    return state === usual.state ? [] : [`left behind:\n${state}\nwhere there was\n${usual.state}`]
  }
  const ours = usual.answer.replace(/^.*?(?= and tag|$)/, name)
  const theirs = usual.answer.replace(/answered .*$/, `answered ${name}`)
  const allowed: readonly string[] = {
    errno: [ours],
    usual: [],
    shorter: [name],
    any: [ours],
    waiter: [name, ours, theirs, ours.replace(/answered .*$/, `answered ${name}`)],
  }[exception?.answer ?? 'errno']
  const isShorter = exception?.answer === 'shorter' && usual.answer.startsWith(answer)
  const found = isShorter || allowed.includes(answer) ? [] : [`answered ${answer}`]
  // These two free the fid even if they fail (clunk(5), remove(5)).
  const gone = request.name === 'clunk' || request.name === 'remove'
  if (answer.startsWith(name) && again !== (gone ? 'EBADF' : usual.answer)) {
    found.push(`answered ${again} when asked again`)
  }
  // Several attributes at once are several calls, and those before the one that failed are made. A write to a
  // program clears its setuid bit first.
  const inParts = inPartsToo.has(request.name) && failed > 0
  if (state !== before && !inParts) found.push(`left behind:\n${state}\nwhere there was\n${before}`)
  return found
}

const inPartsToo: ReadonlySet<string> = new Set(['setattr', 'write', 'lopen'])

describe('a call of libc that fails', () => {
  it.each(Object.entries(cleanRuns))('can be any on %s', (_scene, { run }) => {
    const used = new Set(run.answers.map(({ request }) => request.name))
    expect([...used].toSorted()).toEqual(messageNames.toSorted())
    expect([run.opened, run.left, run.closedTwice, run.log]).toEqual(['ok', 0, [], []])
    expect(run.answers.filter(({ miscounted }) => miscounted !== 0)).toEqual([])
  })

  it.each(faults)('with %s is what the client is told, and leaves nothing behind', (name) => {
    expect(complaints(scenes.host, cleanRuns.host, name)).toEqual([])
  })

  it.each(faults)('with %s leaves no half of a file with attributes beside it', (name) => {
    expect(complaints(scenes['mapped-xattr'], cleanRuns['mapped-xattr'], name)).toEqual([])
  })

  it.each(['crowded', 'crowded mapped-xattr'] as const)('where nodes come and go: %s', (which) => {
    for (const [turn, name] of faults.entries()) {
      // There are many of them, so each fails once.
      const isChosen = (index: number): boolean => index % faults.length === turn
      expect([name, complaints(scenes[which], cleanRuns[which], name, isChosen)]).toEqual([
        name,
        [],
      ])
    }
  })

  it('with EINTR is made again', () => {
    expect(complaints(scenes['mapped-xattr'], cleanRuns['mapped-xattr'], 'EINTR')).toEqual([])
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
    const isIt = ({ request: { name, fields } }: Answered): boolean =>
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
