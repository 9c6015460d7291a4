import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Machine } from '../../src/driver/machine.ts'
import { inVain } from '../support/in-vain.ts'
import { bootWatched } from '../support/vm-boot.ts'
import { windowsRoot } from '../support/vm-programs.ts'

let vm: Machine

beforeAll(async () => {
  vm = await bootWatched({ root: await windowsRoot(), init: 'none', memory: 512, name: 'windows' })
})

afterAll(async () => {
  await vm?.[Symbol.asyncDispose]()
})

describe('an X server', () => {
  it('is waited for until it takes connections', async () => {
    await expect(vm.waitForX({ timeout: 1 })).rejects.toThrow('did not come within 1 seconds')
    let isOver = false
    const waiting = vm.waitForX({ timeout: 120 }).then(() => (isOver = true))
    await vm.succeed('true')
    expect(isOver).toBe(false)
    vm.exec('exec Xvfb :0 -screen 0 640x480x24').then(undefined, () => {})
    await waiting
    await vm.succeed('DISPLAY=:0 xwininfo -root')
  })

  it('has windows with names', async () => {
    const names = await vm.getWindowNames()
    expect(names).not.toContain('the "first" of them')
    vm.exec(`DISPLAY=:0 exec xterm -T 'the "first" of them'`).then(undefined, () => {})
    expect(await vm.waitForWindow(/first/, { timeout: 120 })).toBe('the "first" of them')
    expect(await vm.getWindowNames()).toContain('the "first" of them')
  })

  it('lists its windows in the error when a wait for one fails', async () => {
    await inVain(
      (timeout) => vm.waitForWindow('second', { timeout }),
      /a window "second": did not come within \d+ seconds, there are: .*"the "first" of them"/,
    )
  })

  it('is chosen by its display', async () => {
    await expect(vm.waitForX({ display: 1, timeout: 1 })).rejects.toThrow('/tmp/.X11-unix/X1')
    await expect(vm.getWindowNames({ display: 1 })).rejects.toThrow(/unable to open display ":1"/)
  })
})
