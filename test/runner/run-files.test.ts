import { expect, it } from 'vitest'
import { defaultJobs } from '../../src/runner/run-files.ts'

const GIB = 1024 ** 3

it.each([
  [8, 64 * GIB, 8],
  [8, 4 * GIB, 2],
  [2, 64 * GIB, 2],
  [8, 0.5 * GIB, 1],
])('%i processors and %i bytes run %i files at once', (processors, memory, jobs) => {
  expect(defaultJobs(processors, memory)).toBe(jobs)
})

it('knows this machine', () => expect(defaultJobs()).toBeGreaterThanOrEqual(1))
