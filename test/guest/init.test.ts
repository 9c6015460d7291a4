import { spawnSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { agentScript, workerScript } from '../../src/guest/agent.ts'
import { initScript } from '../../src/guest/init.ts'
import { type GuestMount, mountOptions } from '../../src/guest/mount.ts'

const root: GuestMount = { port: 564, readOnly: true, cache: 'loose', msize: 65_536 }
const share = { ...root, port: 565, readOnly: false, cache: 'mmap', target: "/it's here" } as const

const scripts = {
  init: initScript({ root, shares: [share], modules: ['9p.ko', 'overlay.ko'], hostname: 'guest' }),
  agent: agentScript(root),
  worker: workerScript,
}

describe.each(Object.entries(scripts))('the %s script', (_name, script) => {
  it('is one that a shell can parse', () => {
    expect(spawnSync('sh', ['-n'], { input: script, encoding: 'utf8' })).toMatchObject({
      status: 0,
      stderr: '',
    })
  })
})

it('says how to mount an export', () => {
  expect(mountOptions(root)).toBe(
    'trans=tcp,port=564,version=9p2000.L,msize=65536,cache=loose,locktimeout=1,ro',
  )
  expect(mountOptions(share)).toMatch(/,cache=mmap,locktimeout=1,rw$/)
})
