import { writeFileSync } from 'node:fs'
import { Session } from 'node:inspector/promises'

/** The thread of an engine, profiled from its first to its last request. Its argument is the file for the profile. */

const session = new Session()
session.connect()
await session.post('Profiler.enable')
await session.post('Profiler.start')
// The engine serves until it is told to stop.
await import('../src/server/worker.js')
const { profile } = await session.post('Profiler.stop')
writeFileSync(process.argv[2] ?? '', JSON.stringify(profile))
