import { access } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { runProgram } from '../../src/util/program.ts'

test('a program ends with its status and both of its streams', async () => {
  const result = await runProgram('sh', ['-c', 'echo out; echo err >&2; exit 3'])
  expect(result).toEqual({ status: 3, stdout: 'out\n', stderr: 'err\n' })
})

test('a signal counts as 128 and its number, as in a shell', async () => {
  expect((await runProgram('sh', ['-c', 'kill -TERM $$'])).status).toBe(128 + 15)
})

test('descriptor 3 arrives line by line', async () => {
  const lines: string[] = []
  await runProgram('sh', ['-c', 'echo a >&3; printf "b\nc" >&3'], {
    onStatusLine: (line) => lines.push(line),
  })
  expect(lines).toEqual(['a', 'b', 'c'])
})

test('a program that does not exist is an ENOENT', async () => {
  await expect(runProgram('/nonexistent/command', [])).rejects.toMatchObject({ code: 'ENOENT' })
})

test('when it is aborted, the program and its children are gone before it rejects', async () => {
  const abort = new AbortController()
  const pids: string[] = []
  const running = runProgram('sh', ['-c', 'sleep 600 & echo $! >&3; wait'], {
    signal: abort.signal,
    onStatusLine: (line) => {
      pids.push(line)
      abort.abort(new Error('enough'))
    },
  })
  await expect(running).rejects.toThrow('enough')
  expect(pids).toHaveLength(1)
  await expect.poll(() => isAlive(pids[0] ?? '')).toBe(false)
})

test('an abort that came before keeps it from starting', async () => {
  const signal = AbortSignal.abort(new Error('too late'))
  await expect(runProgram('/nonexistent/command', [], { signal })).rejects.toThrow('too late')
})

async function isAlive(pid: string): Promise<boolean> {
  return access(`/proc/${pid}/fd/0`).then(
    () => true,
    () => false,
  )
}
