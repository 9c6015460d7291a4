import { cpuTime } from '../cpu-time.ts'
import { Connection } from './connection.ts'
import { rehearse, workloads } from './workloads.ts'

/** A measurement to make, one at a time. */
export interface LoadRequest {
  readonly socket: string
  readonly folder: string
  /** The name of a row of the table of workloads. */
  readonly workload: string
  readonly inFlight: number
  readonly milliseconds: number
  /** The pid of the server. */
  readonly pid: number
}

/** The result of a measurement. */
export interface Load {
  /** Units per second. */
  readonly rate: number
  /** The server's CPU time for each unit, in nanoseconds. */
  readonly cpu: number
}

/** The answer to a {@link LoadRequest}: the result, or why there is none. */
export type LoadAnswer = Load | { readonly failure: string }

function measure(request: LoadRequest): Load {
  const { socket, folder, workload: name, inFlight, milliseconds, pid } = request
  const workload = workloads.find((row) => row.name === name)!
  const connection = Connection.open(socket, workload.msize, folder)
  try {
    const rounds = Array.from({ length: inFlight }, (_, i) =>
      workload.prepare(connection, i, 1000 * (i + 1)),
    )
    const lanes = rounds.map((round, tag) => rehearse(connection, tag, round))
    const { steps, worth } = rounds[0]!
    const { rate, taken } = connection.measure(lanes, milliseconds, () => cpuTime(pid))
    const units = worth / steps.length
    return { rate: rate * units, cpu: taken / units }
  } finally {
    connection.close()
  }
}

// A process of its own, because it blocks all the time.
process.on('message', (request: LoadRequest) => {
  let answer: LoadAnswer
  try {
    answer = measure(request)
  } catch (error) {
    answer = { failure: error instanceof Error ? (error.stack ?? error.message) : String(error) }
  }
  process.send!(answer)
})
