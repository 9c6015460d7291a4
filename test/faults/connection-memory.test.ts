import { join } from 'node:path'
import { expect, it } from 'vitest'
import { close } from '../../src/sys/files.ts'
import { systemMemory } from '../../src/sys/system-memory.ts'
import { accept, connectUnix, listenUnix, sendBlocking } from '../../src/sys/sockets.ts'
import { limits } from '../../src/9p/index.ts'
import { defaultLimits } from '../../src/session/session-limits.ts'
import { Connection } from '../../src/server/connection.ts'
import { endlessTurn } from '../../src/transport/event-loop.ts'
import { openDescriptors } from '../support/descriptors.ts'
import { FakeTree } from '../support/fake-tree.ts'
import { requestFrame } from '../support/frames.ts'
import { afterwards, temporaryDirectory } from '../support/temporary.ts'

/** As V8 fails when no memory is left. */
function noMemory(): never {
  throw new RangeError('Array buffer allocation failed')
}

it('a connection that there is no memory for ends, and nothing but it', () => {
  const path = join(temporaryDirectory(), 'socket')
  const before = openDescriptors()
  const listener = listenUnix(path)
  const client = connectUnix(path)
  const reasons: string[] = []
  const connection = new Connection(
    accept(listener),
    { add: () => {}, remove: () => {}, changed: () => {} },
    new FakeTree(),
    defaultLimits,
    () => {},
    (_ended, reason) => reasons.push(reason),
  )
  const version = { msize: limits.MSIZE_MAX, version: limits.VERSION }
  const frame = requestFrame(limits.NOTAG, 'version', version)
  const memory = systemMemory(frame.length)
  memory.bytes.set(frame)
  sendBlocking(client, memory.address, frame.length)

  const usual = globalThis.ArrayBuffer
  afterwards(() => (globalThis.ArrayBuffer = usual))
  globalThis.ArrayBuffer = noMemory as never
  connection.ready(endlessTurn)
  globalThis.ArrayBuffer = usual
  expect(reasons).toEqual(['Array buffer allocation failed'])
  connection.close()
  for (const fd of [client, listener]) close(fd)
  expect(openDescriptors()).toBe(before)
})
