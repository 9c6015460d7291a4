import { describe, it } from 'vitest'
import { rawFrame, requestFrame } from '../../support/frames.ts'
import { MSIZE } from '../../support/vhost-user/device-kinds.ts'
import { NEXT, WRITE } from '../../support/vhost-user/driver-queue.ts'
import { liarToP9 } from '../../support/vhost-user/liar.ts'

describe('a chain that is no request', () => {
  const liar = liarToP9()

  it.each([0, 1, 10])('has room for %i bytes of an answer', async (room) => {
    liar.tell(() => {
      liar.put(0, liar.request(), liar.requestBytes, NEXT, 1)
      liar.put(1, liar.device.heap.need(100), room, WRITE)
    })
    await liar.expectStopped(`a request with room for ${room} bytes of an answer`)
  })

  it.each([0, 3, 6])('has %i bytes', async (bytes) => {
    liar.tell(() => {
      liar.put(0, liar.request(), bytes, NEXT, 1)
      liar.put(1, liar.device.heap.need(100), 100, WRITE)
    })
    await liar.expectStopped(`protocol error FRAME_TOO_SMALL: a request of ${bytes} bytes`)
  })
})

describe('a request whose size[4] lies', () => {
  const liar = liarToP9()

  const clunk = requestFrame(1, 'clunk', { fid: 0 })
  const data = { memory: { bytes: Buffer.alloc(100) }, offset: 0, length: 100 }
  const write = requestFrame(1, 'write', { fid: 0, offset: 0, data: data as never })

  function claiming(frame: Buffer, size: number): Buffer {
    const lying = Buffer.from(frame)
    lying.writeUInt32LE(size)
    return lying
  }

  it.each([
    [12, 'TRUNCATED: size[4] is more than the 11 bytes of its chain'],
    [0, "FRAME_TOO_SMALL: size[4] is 0, below the header's 7"],
    [6, "FRAME_TOO_SMALL: size[4] is 6, below the header's 7"],
    [8193, 'FRAME_TOO_LARGE: size[4] is 8193, above the msize of 8192'],
    [0xffff_ffff, 'FRAME_TOO_LARGE: size[4] is 4294967295, above the msize of 8192'],
    [10, 'TRUNCATED: the frame ends 1 bytes too early'],
  ])('in one piece: %i', async (size, reason) => {
    await liar.tellRequest(claiming(clunk, size))
    await liar.expectStopped(`protocol error ${reason}`)
  })

  it.each([
    [12, 'TRUNCATED: size[4] is more than the 11 bytes of its chain'],
    [6, "FRAME_TOO_SMALL: size[4] is 6, below the header's 7"],
    [0xffff_ffff, 'FRAME_TOO_LARGE: size[4] is 4294967295, above the msize of 8192'],
  ])('in three pieces: %i', async (size, reason) => {
    await liar.tellRequest(claiming(clunk, size), [2, 5])
    await liar.expectStopped(`protocol error ${reason}`)
  })

  it.each([
    [124, 'TRUNCATED: size[4] is more than the 123 bytes of its chain'],
    [122, 'TRUNCATED: the frame ends 1 bytes too early'],
    [23, 'TRUNCATED: the frame ends 100 bytes too early'],
    [8193, 'FRAME_TOO_LARGE: size[4] is 8193, above the msize of 8192'],
  ])('in a Twrite whose bytes lie apart: %i', async (size, reason) => {
    await liar.tellRequest(claiming(write, size), [23])
    await liar.expectStopped(`protocol error ${reason}`)
  })

  it('or whose count does, in a Twrite whose bytes lie apart', async () => {
    const frame = Buffer.from(write)
    frame.writeUInt32LE(101, 19)
    await liar.tellRequest(frame, [23])
    await liar.expectStopped('protocol error TRUNCATED: the frame ends 1 bytes too early')
  })

  it('and one that is larger than msize, in pieces', async () => {
    await liar.tellRequest(claiming(Buffer.concat([clunk, Buffer.alloc(MSIZE)]), 11), [11])
    await liar.expectStopped('protocol error FRAME_TOO_LARGE: 8203 bytes, above the msize of 8192')
  })
})

describe('a request that breaks the protocol', () => {
  const liar = liarToP9()

  it('before Tversion', async () => {
    liar.device.start()
    const frame = requestFrame(1, 'clunk', { fid: 0 })
    const { ram, heap, queue } = liar.device
    const address = heap.need(frame.length)
    ram.bytes(address, frame.length).set(frame)
    queue.add([
      { address, length: frame.length, isWritable: false },
      { address: heap.need(100), length: 100, isWritable: true },
    ])
    liar.device.kick()
    await liar.expectStopped('protocol error NO_VERSION: Tclunk before Tversion')
  })

  it('with more names than a walk has', async () => {
    const body = Buffer.alloc(200)
    body.writeUInt16LE(17, 8)
    await liar.tellRequest(rawFrame(110, 1, body))
    await liar.expectStopped('protocol error LIST_TOO_LONG: 17 elements where 16 are allowed')
  })
})
