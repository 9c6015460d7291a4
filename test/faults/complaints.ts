import { errno } from '../../src/sys/errno.ts'
import { libc } from './faulty-libc.mjs'
import type { Answered, Named, Run, Scene } from './run.ts'

/** Errnos that a file system or a kernel without room may return from any call. */
export const faults = ['EIO', 'ENOSPC', 'EDQUOT', 'EMFILE', 'ENOMEM'] as const

/** A run in which nothing failed. */
export interface Clean<Request extends Named> {
  readonly run: Run<Request>
  readonly calls: readonly string[]
}

export function cleanRun<Request extends Named>(scene: Scene<Request>): Clean<Request> {
  const run = scene.run(-1, { errno: 0 })
  return { run, calls: [...libc.calls] }
}

/** A call whose failure the client does not see, or sees with another errno. */
export interface Absorbed<Name extends string> {
  readonly requests: readonly Name[] | 'all'
  readonly call: string
  /** Only for this errno. */
  readonly errno?: string
  /** Only for the call at this `position` among the request's calls. */
  at?(position: number, calls: readonly string[]): boolean
  /**
   * `any`: the usual answer or the errno; `waiter`: a request that waits for a lock gets the errno; `less`: the usual answer
   * without a part of it.
   */
  readonly answer: 'errno' | 'usual' | 'shorter' | 'any' | 'waiter' | 'less'
  readonly reason: string
}

/** What may become of failures in one protocol. */
export interface Rules<Name extends string> {
  readonly absorbed: readonly Absorbed<Name>[]
  /** Requests that free what they are about even if they fail: asked again, they are EBADF. */
  readonly freeing: ReadonlySet<Name>
  /** Requests that are several calls, of which those before the one that failed are made. */
  readonly inParts: ReadonlySet<Name>
  /** Whether all that follows may differ, because this answer has lost something. */
  loses?(answered: Answered, usual: Answered, name: string): boolean
}

/** Every difference between the runs in which one call failed and the clean one. */
export function complaints<Name extends string, Request extends { readonly name: Name }>(
  scene: Scene<Request>,
  { run: usualRun, calls }: Clean<Request>,
  rules: Rules<Name>,
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
      const usual = usualRun.answers[at] as Answered<Request>
      const title = `${answered.request.name} number ${at}`
      if (answered.miscounted !== 0) complain(`${title} miscounted ${answered.miscounted}`)
      if (answered.failed === undefined) {
        if (answered.answer !== usual.answer && !lost)
          complain(`later ${title} answered ${answered.answer}`)
      } else {
        for (const text of wrongs(rules, name, answered, usual, before))
          complain(`${title} ${text}`)
        lost = rules.loses?.(answered, usual, name) ?? false
      }
      before = usual.state
    }
  }
  return found
}

/** What is wrong with the answer to the request during which the call failed. */
function wrongs<Name extends string>(
  { absorbed, freeing, inParts }: Rules<Name>,
  name: string,
  answered: Answered<{ readonly name: Name }>,
  usual: Answered,
  before: string,
): string[] {
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
    less: [ours],
    waiter: [name, ours, theirs, ours.replace(/answered .*$/, `answered ${name}`)],
  }[exception?.answer ?? 'errno']
  const isShorter = exception?.answer === 'shorter' && usual.answer.startsWith(answer)
  const isLess = exception?.answer === 'less' && isPartOf(answer, usual.answer)
  const found = isShorter || isLess || allowed.includes(answer) ? [] : [`answered ${answer}`]
  if (answer.startsWith(name) && again !== (freeing.has(request.name) ? 'EBADF' : usual.answer)) {
    found.push(`answered ${again} when asked again`)
  }
  // A write to a program clears its setuid bit first.
  const isPart = inParts.has(request.name) && failed > 0
  if (state !== before && !isPart) found.push(`left behind:\n${state}\nwhere there was\n${before}`)
  return found
}

/** Whether all words of one answer are in the other one, in their order. */
function isPartOf(answer: string, usual: string): boolean {
  const words = usual.split(' ')
  let from = 0
  return answer.split(' ').every((word) => {
    from = words.indexOf(word, from) + 1
    return from > 0
  })
}
