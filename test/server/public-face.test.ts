import { duplexPair } from 'node:stream'
import * as driver from 'lowerdir'
import { Client, limits, payloadBytes } from 'lowerdir/9p'
import { SyntheticTree, constantFile, directory, serveDuplex } from 'lowerdir/server'
import { expect, it } from 'vitest'

it('serves a tree of functions with nothing but what a user can import', async () => {
  const tree = new SyntheticTree(directory({ hello: constantFile(() => Buffer.from('hi\n')) }))
  const [here, there] = duplexPair()
  const over = serveDuplex(tree, there)
  const client = await Client.connect(here)
  const { NOFID } = limits
  await client.call.attach({ fid: 0, afid: NOFID, uname: '', aname: '', uid: 0 })
  await client.call.walk({ fid: 0, newfid: 1, names: ['hello'] })
  await client.call.lopen({ fid: 1, flags: 0 })
  const { data } = await client.call.read({ fid: 1, offset: 0, count: 100 })
  expect(Buffer.from(payloadBytes(data)).toString()).toBe('hi\n')
  client.close()
  // A pair of streams does not tell one end that the other is destroyed.
  there.destroy()
  await over
})

it('is not part of the driver’s face', () => {
  expect(Object.keys(driver)).not.toContain('serveDuplex')
  expect(Object.keys(driver)).toEqual(
    expect.arrayContaining(['boot', 'network', 'share', 'ProvisionError', 'KernelError']),
  )
})
