// An engine's thread whose libc fails as `workerData.plan` says: the calls of a name from the one
// with number `skip` on, `times` of them.

import { workerData } from 'node:worker_threads'
import { libc } from './faulty-libc.mjs'

const { plan } = workerData
const seen = new Map()

libc.inject = (name) => {
  const number = seen.get(name) ?? 0
  seen.set(name, number + 1)
  return plan.find(
    ({ call, skip = 0, times = 1 }) => call === name && number >= skip && number < skip + times,
  )?.fault
}

await import('../../dist/server/worker.js')
