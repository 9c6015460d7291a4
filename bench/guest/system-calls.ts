import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { type MessageName, messages } from '../../src/9p/wire/messages.ts'
import type { Counts } from './requests.ts'

const SOURCE = 'bench/guest/system-calls.c'

/** Nanoseconds that the bare system calls of a request take, by the request's type byte. */
export type SystemCallTimes = ReadonlyMap<number, number>

/**
 * Measures the system calls that lowerdir's server makes for each kind of request, in a loop in C. A server that makes
 * these calls cannot take less time.
 *
 * @param served a folder on the file system that is served; it is left as it was.
 * @param scratch the folder for the compiled program.
 */
export function measureSystemCalls(served: string, scratch: string): SystemCallTimes {
  const program = join(scratch, 'system-calls')
  execFileSync('gcc', ['-O2', '-o', program, SOURCE], { stdio: ['ignore', 'ignore', 'inherit'] })
  const folder = join(served, 'system-calls')
  mkdirSync(folder)
  try {
    const said = execFileSync(program, [folder], { encoding: 'utf8' })
    return new Map(
      said.split('\n').flatMap((line): [number, number][] => {
        const [name = '', nanoseconds] = line.split(' ')
        return name in messages ? [[messages[name as MessageName].type, Number(nanoseconds)]] : []
      }),
    )
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** The seconds that the system calls of so many requests take. */
export function floorOf(requests: Counts, times: SystemCallTimes): number {
  let nanoseconds = 0
  for (const [type, count] of requests) nanoseconds += count * (times.get(type) ?? 0)
  return nanoseconds / 1e9
}
