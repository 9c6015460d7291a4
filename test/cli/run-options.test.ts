import { isatty } from 'node:tty'
import { describe, expect, it } from 'vitest'
import { machineOptions } from '../../src/cli/run.ts'
import { planMachine } from '../../src/machine/plan.ts'
import { found } from '../machine/found.ts'

describe('the machine of `run`', () => {
  it('has a terminal only where one is wanted', () => {
    const hasTerminal = (...args: Parameters<typeof machineOptions>): boolean =>
      planMachine(machineOptions(...args), found).terminal
    expect(hasTerminal({}, ['true'])).toBe(false)
    expect(hasTerminal({ tty: true }, ['true'])).toBe(true)
    // Without a command: not for a script in a pipe.
    expect(hasTerminal({}, [])).toBe(isatty(0) && isatty(1))
    expect(hasTerminal({ tty: false }, [])).toBe(false)
  })
})
