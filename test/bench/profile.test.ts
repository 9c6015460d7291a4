import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readProfile } from '../../bench/guest/profile.ts'
import { temporaryDirectory } from '../support/temporary.ts'

/** Calls of functions by one another: the function, its file, what it calls. */
type Call = readonly [functionName: string, url: string, ...calls: Call[]]

/** A profile with a sample in each call, of 1, 2, 4, … microseconds in the order of the calls. */
function profileOf(root: Call): string {
  const nodes: object[] = []
  const add = ([functionName, url, ...calls]: Call): number => {
    const node = {
      id: nodes.length + 1,
      callFrame: { functionName, url },
      children: [] as number[],
    }
    nodes.push(node)
    node.children = calls.map(add)
    return node.id
  }
  add(root)
  const path = join(temporaryDirectory(), 'some.cpuprofile')
  const samples = nodes.map((_, i) => i + 1)
  writeFileSync(
    path,
    JSON.stringify({ nodes, samples, timeDeltas: samples.map((id) => 2 ** (id - 1)) }),
  )
  return path
}

describe('a profile', () => {
  it('is of parts, each with what it calls, without sleep and without the start', () => {
    const koffi: Call = ['(anonymous)', 'file:///x/sys/ffi.js']
    const path = profileOf([
      '(root)', // 1
      '',
      ['serve', 'file:///x/server/serving.js', koffi], // 2, 4
      ['(garbage collector)', ''], // 8
      [
        'run', // 16
        'file:///x/server/loop.js',
        ['#sleep', 'file:///x/server/loop.js', koffi], // 32, 64
        ['hasWork', 'file:///x/transport/vhost-user/virtqueue.js'], // 128
        [
          '#serve', // 256
          'file:///x/transport/vhost-user/queue.js',
          ['signal', 'file:///x/sys/eventfd.js', koffi], // 512, 1024
          ['walk', 'file:///x/9p/handlers.js', ['walk', 'file:///x/tree/host/node.js', koffi]], // 2048, 4096, 8192
          ['encode', 'file:///x/9p/wire/codec.js', ['set', '']], // 16384, 32768
        ],
      ],
    ])
    expect(readProfile(path)).toEqual({
      collector: 8,
      looking: 16 + 128,
      ring: 256,
      waking: 512 + 1024,
      session: 2048,
      tree: 4096,
      sys: 8192,
      codec: 16384 + 32768,
    })
  })
})
