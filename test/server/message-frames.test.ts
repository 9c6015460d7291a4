import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MESSAGE_MAX, MessageFrames, frameOf } from '../../src/server/message-frames.ts'
import { engineMessage } from '../../src/server/share.ts'

function frames(): MessageFrames {
  return new MessageFrames(() => MESSAGE_MAX)
}

describe('messages between a server and its starter', () => {
  it('arrive whole and in order, in whatever pieces', () => {
    fc.assert(
      fc.property(fc.array(fc.json()), fc.array(fc.integer({ min: 1, max: 9 })), (texts, sizes) => {
        const messages = texts.map((text) => JSON.parse(text) as unknown)
        const bytes = Buffer.concat(messages.map(frameOf))
        const reader = frames()
        const arrived: unknown[] = []
        for (let at = 0, i = 0; at < bytes.length; i++) {
          const size = sizes[i % sizes.length] ?? bytes.length
          arrived.push(...reader.push(bytes.subarray(at, at + size)))
          at += size
        }
        expect(arrived).toEqual(messages)
      }),
    )
  })

  it('are refused by their announced length, before they are kept', () => {
    const header = Buffer.alloc(4)
    header.writeUInt32LE(MESSAGE_MAX + 1)
    expect(() => frames().push(header)).toThrow(
      `a message of ${MESSAGE_MAX + 1} bytes, where at most ${MESSAGE_MAX} may come`,
    )
  })

  it('are JSON', () => {
    const frame = frameOf('x')
    frame.write('{', 4)
    expect(() => frames().push(frame)).toThrow(SyntaxError)
  })
})

describe('what a server says', () => {
  it.each([
    { kind: 'serving' },
    { kind: 'log', line: 'a line' },
    { kind: 'resumed', lost: 3 },
    { kind: 'done', saved: [] },
    { kind: 'refused', why: 'for a reason' },
    { kind: 'failed', errno: null, what: 'a sentence', index: null },
    { kind: 'failed', errno: 2, what: 'openat', index: 1 },
  ])('is understood: %j', (message) => {
    expect(engineMessage({ ...message, more: 1 })).toEqual(message)
  })

  it.each([
    null,
    7,
    'serving',
    {},
    { kind: 'other' },
    { kind: 'log', line: 7 },
    { kind: 'resumed', lost: '3' },
    { kind: 'done', saved: {} },
    { kind: 'refused' },
    { kind: 'failed', errno: 'ENOENT', what: 'openat' },
    { kind: 'failed', errno: 2 },
  ])('is refused where it is no message: %j', (value) => {
    expect(() => engineMessage(value)).toThrow('the server has sent what is no message')
  })
})
