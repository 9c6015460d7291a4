import { describe, expect, it } from 'vitest'
import { QemuProcess } from '../../src/machine/qemu-process.ts'
import { Watch } from '../../src/machine/watch.ts'

/** Follows a program in QEMU's place, which never connects its monitor. */
async function watching(command: string, ...args: readonly string[]): Promise<Watch> {
  const version = { major: 0, minor: 0, text: '0' }
  const qemu = await QemuProcess.start({ command, args, version, source: 'option' }, [])
  const hooks = { onPhase: () => {}, onConsoleLine: () => {} }
  return new Watch(qemu, new Promise(() => {}), hooks)
}

describe('the reason of a machine’s end', () => {
  it('is that nothing needs it any more, where its owner has ended it', async () => {
    const watch = await watching('cat')
    await watch[Symbol.asyncDispose]()
    const { message } = await watch.ended
    expect(message).toBe('lowerdir ended the machine, which was no longer needed.')
  })

  it('is the first one, whatever is done afterwards', async () => {
    const failed = await watching('false')
    const { message } = await failed.ended
    await failed[Symbol.asyncDispose]()
    expect([message, (await failed.ended).message]).toEqual(Array(2).fill('QEMU ended with 1.'))

    const told = await watching('cat')
    told.end('The test took its power away.')
    await told[Symbol.asyncDispose]()
    expect((await told.ended).message).toBe('The test took its power away.')
  })

  it('is the signal, where another program has killed QEMU', async () => {
    const watch = await watching('sh', '-c', 'kill -KILL $$')
    expect((await watch.ended).message).toBe('QEMU was ended by SIGKILL.')
  })
})
