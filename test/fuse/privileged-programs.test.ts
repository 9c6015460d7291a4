import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { write } from '../../src/fuse/wire/flags.ts'
import { heapMemory, run } from '../../src/sys/memory.ts'
import { openFlags } from '../../src/tree/flags.ts'
import { HostTree } from '../../src/tree/host/host-tree.ts'
import { FuseProbe } from '../support/fuse/fuse-probe.ts'
import { temporaryDirectory } from '../support/temporary.ts'

const DAY = 86_400
const { KILL_SUIDGID } = write

/** What a client may keep of files whose set-user-id bits a write takes away. */
describe('a client that keeps everything', () => {
  let folder: string
  let tree: HostTree
  let probe: FuseProbe

  beforeEach(() => {
    folder = temporaryDirectory()
    for (const [name, mode] of [
      ['setuid', 0o4755],
      ['setgid', 0o2755],
      ['plain', 0o755],
    ] as const) {
      writeFileSync(join(folder, name), '')
      chmodSync(join(folder, name), mode)
    }
  })

  afterEach(() => {
    probe.session.close()
    tree.close()
  })

  function serve(readOnly: boolean): void {
    tree = new HostTree(folder, { readOnly, owner: 'host', atime: 'preserve' })
    probe = new FuseProbe(tree, { caching: 'loose' })
  }

  it('keeps no attributes of set-user-id programs, which a write may change', () => {
    serve(false)
    const valid = (name: string): number[] => {
      const { nodeid, entryValid, attrValid } = probe.lookup(name)
      const { attributes } = probe.call('getattr', {}, { nodeid })
      return [entryValid, attrValid, attributes.attrValid]
    }
    expect(valid('setuid')).toEqual([DAY, 0, 0])
    expect(valid('setgid')).toEqual([DAY, 0, 0])
    expect(valid('plain')).toEqual([DAY, DAY, DAY])
  })

  it('keeps those of a read-only tree, where no write does', () => {
    serve(true)
    expect(probe.lookup('setuid').attrValid).toBe(DAY)
  })

  it('gives a new file to its user, also where the open asks for bits to be cleared', () => {
    serve(false)
    const asked = {
      name: 'new',
      flags: openFlags.RDWR | openFlags.TRUNC,
      mode: 0o644,
      openFlags: 1,
    }
    const { entry } = probe.call('create', asked, { nodeid: 1, uid: 1234, gid: 4321 })
    expect([entry.attributes.uid, entry.attributes.gid]).toEqual([1234, 4321])
  })

  it('hears of the bits that its write has taken', () => {
    serve(false)
    const nodeid = probe.node('setuid')
    const fh = probe.open(nodeid, openFlags.WRONLY)
    probe.call(
      'write',
      { fh, size: 1, data: run(heapMemory(1), 0, 1), writeFlags: KILL_SUIDGID },
      { nodeid },
    )
    const { attributes } = probe.call('getattr', {}, { nodeid })
    expect(attributes.attributes.mode & 0o7777).toBe(0o755)
    expect(attributes.attrValid).toBe(DAY)
  })
})
