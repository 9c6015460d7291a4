import { landlockAbi } from '../../src/sys/landlock.ts'
import { hasSeccomp } from '../../src/sys/seccomp.ts'

/**
 * Whether this kernel can confine a process that serves a writable directory. Where it cannot, tests of
 * the sandbox say that they are skipped; a machine that checks changes has to have it.
 */
const isComplete = landlockAbi() >= 2 && hasSeccomp()

export const cannotSandbox = !isComplete && process.env['CI'] === undefined

if (cannotSandbox)
  console.warn('This kernel has no Landlock or no seccomp: sandbox tests are skipped.')
