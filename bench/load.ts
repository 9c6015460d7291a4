import { Connection } from './connection.ts'
import { rehearse, workloads } from './workloads.ts'

/** What the client's process is asked for, one at a time. */
export interface LoadRequest {
  readonly socket: string
  readonly folder: string
  /** The name of a row of the table of workloads. */
  readonly workload: string
  readonly inFlight: number
  readonly milliseconds: number
}

/** Its answer: units in each second, or why there is none. */
export type LoadAnswer = { readonly rate: number } | { readonly failure: string }

function measure({ socket, folder, workload: name, inFlight, milliseconds }: LoadRequest): number {
  const workload = workloads.find((row) => row.name === name)!
  const connection = Connection.open(socket, workload.msize, folder)
  try {
    const rounds = Array.from({ length: inFlight }, (_, i) =>
      workload.prepare(connection, i, 1000 * (i + 1)),
    )
    const lanes = rounds.map((round, tag) => rehearse(connection, tag, round))
    const { steps, worth } = rounds[0]!
    return (connection.measure(lanes, milliseconds) * worth) / steps.length
  } finally {
    connection.close()
  }
}

// A process of its own: it blocks all the time.
process.on('message', (request: LoadRequest) => {
  let answer: LoadAnswer
  try {
    answer = { rate: measure(request) }
  } catch (error) {
    answer = { failure: error instanceof Error ? (error.stack ?? error.message) : String(error) }
  }
  process.send!(answer)
})
