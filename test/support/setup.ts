import { vi } from 'vitest'

/** Milliseconds that `vi.waitFor` waits unless it is told otherwise; as `expect.poll` in vitest.config.ts. */
const PATIENCE = 60_000

/** Milliseconds between two looks; as `expect.poll` there. */
const INTERVAL = 10

// What a test waits for comes within milliseconds, or within seconds on a machine that is ten times too busy. Vitest's
// own limit is one second, it looks every 50 ms, and `vi.waitFor` has no setting for either.
const { waitFor } = vi
vi.waitFor = (check, options) =>
  waitFor(
    check,
    typeof options === 'number' ? options : { timeout: PATIENCE, interval: INTERVAL, ...options },
  )
