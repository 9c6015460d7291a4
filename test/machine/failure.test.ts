import { describe, expect, it } from 'vitest'
import { reasonIn, reasonOf } from '../../src/machine/failure.ts'

describe('what a console’s line says about the end', () => {
  it.each([
    [
      '[    1.5] Kernel panic - not syncing: VFS: Unable to mount root fs',
      "The guest's kernel panicked: VFS: Unable to mount root fs.",
    ],
    [
      'lowerdir: failed: the root cannot be mounted over 9P',
      'The guest gave up: the root cannot be mounted over 9P.',
    ],
    ['lowerdir: phase root', undefined],
    ['systemd[1]: Failed to start something', undefined],
  ])('%s', (line, reason) => {
    expect(reasonIn(line)).toBe(reason)
  })
})

describe('what QEMU’s exit says', () => {
  it.each([
    [{ code: null, signal: 'SIGKILL', complaint: '' }, '', 'QEMU was ended by SIGKILL.'],
    [{ code: null, signal: 'SIGABRT', complaint: 'why' }, '', 'QEMU was ended by SIGABRT: why'],
    [{ code: 1, signal: null, complaint: 'no memory' }, '', 'QEMU ended with 1: no memory'],
    [
      {
        code: 1,
        signal: null,
        complaint: 'Failed to get "write" lock\nIs another process using the image [/srv/a.img]?',
      },
      '',
      'The disk /srv/a.img is in use: by another machine, or another program that has locked it. Only one at a time may write to it.',
    ],
    [{ code: 0, signal: null, complaint: '' }, 'guest-reset', 'The guest rebooted.'],
    [{ code: 0, signal: null, complaint: '' }, 'guest-shutdown', 'The guest powered off.'],
    [{ code: 0, signal: null, complaint: '' }, 'host-qmp-quit', 'QEMU was told to quit.'],
  ] as const)('%o %s', (exit, shutdown, reason) => {
    expect(reasonOf(exit, shutdown)).toBe(reason)
  })
})
