import { writeFileSync } from 'node:fs'
import { Session } from 'node:inspector/promises'

/** An engine's thread that is profiled from its first to its last request; the profile goes to its argument. */

const session = new Session()
session.connect()
await session.post('Profiler.enable')
await session.post('Profiler.start')
// It serves until it is told to stop.
await import('../src/server/worker.js')
const { profile } = await session.post('Profiler.stop')
writeFileSync(process.argv[2] ?? '', JSON.stringify(profile))
