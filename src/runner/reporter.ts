import { writeSync } from 'node:fs'
import type { TestEvent } from 'node:test/reporters'
import { CHANNEL, type Line } from './line.ts'
import { TestEvents } from './test-events.ts'

/**
 * A reporter for node:test that tells the runner what happens. It writes synchronously, so that a line arrives even if
 * this process is killed right after.
 */
// oxlint-disable-next-line import/no-default-export -- Node requires it of a reporter
export default async function* report(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const events = new TestEvents(() => performance.timeOrigin + performance.now())
  for await (const event of source) {
    const line = events.take(event)
    if (line !== undefined) tell(line)
  }
  // Nothing for standard output, which belongs to the tests.
  yield ''
}

function tell(line: Line): void {
  const bytes = Buffer.from(`${JSON.stringify(line)}\n`)
  for (let written = 0; written < bytes.length;) {
    written += writeSync(CHANNEL, bytes, written)
  }
}
