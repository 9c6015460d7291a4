import { spawnSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import {
  agentScript,
  clockLookScript,
  clockStepScript,
  commandScript,
  commandsScript,
  slotScript,
  terminalScript,
} from '../../src/guest/agent.ts'
import { changesScript } from '../../src/guest/changes.ts'
import { identityScript } from '../../src/guest/identity.ts'
import { type InitOptions, initScript } from '../../src/guest/init.ts'
import { type GuestMount, mountArguments } from '../../src/guest/mount.ts'
import { namesScript } from '../../src/guest/names.ts'

const policy = { readOnly: true, cache: 'loose', msize: 65_536 } as const
const control: GuestMount = { transport: 'tcp', port: 563, ...policy }
const root: GuestMount = { transport: 'virtio', tag: 'root', ...policy }
const share = {
  ...control,
  port: 565,
  readOnly: false,
  cache: 'mmap',
  target: "/it's here",
} as const

const initOptions = {
  init: 'none',
  root,
  shares: [share],
  control,
  upper: null,
  modules: ['9p.ko', 'overlay.ko'],
  hostname: 'guest',
  maskedUnits: ['a@b.service', "it's.timer"],
  prepare: "echo it's",
  nics: ['user network', 'switch'],
} as const satisfies InitOptions

const newDisk = { device: '/dev/vda', file: "/it's.img", isEmpty: true }

const line = { argv: ['echo', "it's"], env: { A: "it's" }, cwd: '/' }

const scripts = {
  init: initScript(initOptions),
  'init for systemd': initScript({ ...initOptions, init: 'systemd', nics: ['switch', 'switch'] }),
  'init with a disk': initScript({ ...initOptions, upper: newDisk }),
  'init with a disk that is not empty': initScript({
    ...initOptions,
    upper: { ...newDisk, isEmpty: false },
  }),
  agent: agentScript,
  changes: changesScript,
  slot: slotScript,
  'clock’s': clockLookScript(1),
  'other clock’s': clockStepScript(2, { late: -3, lead: 4, base: [5, 6] }),
  identity: identityScript({ bootId: "it's", macs: ['52:54:00:00:00:01'] }),
  'names’': namesScript({ hostname: "it's", nameserver: '10.0.2.3', hasServices: false }),
  commands: commandsScript,
  command: commandScript(line),
  terminal: terminalScript(line, '/dev/hvc0', { rows: 24, columns: 80 }),
}

describe.each(Object.entries(scripts))('the %s script', (_name, script) => {
  it('is one that a shell can parse', () => {
    expect(spawnSync('sh', ['-n'], { input: script, encoding: 'utf8' })).toMatchObject({
      status: 0,
      stderr: '',
    })
  })
})

describe('an export is mounted', () => {
  const options = 'version=9p2000.L,msize=65536,cache=loose,locktimeout=1,ro'

  it('through a port of the network', () => {
    expect(mountArguments(control)).toBe(`-t 9p -o trans=tcp,port=563,${options} 10.0.2.100`)
    expect(mountArguments(share)).toMatch(/,cache=mmap,locktimeout=1,rw 10\.0\.2\.100$/)
  })

  it('from a device, by its tag', () => {
    expect(mountArguments(root)).toBe(`-t 9p -o trans=virtio,${options} root`)
  })
})
