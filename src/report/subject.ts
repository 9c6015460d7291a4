import { ownerOf } from './attribution.ts'
import type { MachineFolder } from './machine-folder.ts'
import { type Failure, type FileResult, type TestResult, type TestRun, nameOf } from './results.ts'

/** One page of the report: a test, or the machines and output that belong to no single test. */
export interface Subject {
  /** Unique within the report; the fragment of its URL. */
  readonly id: string
  readonly title: string
  /** The file that it is in. */
  readonly file?: string
  readonly status: TestResult['status'] | 'shared'
  /** Milliseconds. */
  readonly duration?: number
  readonly reason?: string
  readonly failure?: Failure
  /** What the file printed, on the page of a whole file. */
  readonly output?: string
  /** In the order in which they were made. */
  readonly machines: readonly MachineFolder[]
}

const order = { failed: 0, interrupted: 1, passed: 2, skipped: 3, shared: 4 }

/** The pages of a report: failures first, then the others in the order of the run. */
export function subjectsOf(run: TestRun, machines: readonly MachineFolder[]): Subject[] {
  const owners = machines.map((machine) => ({ machine, ...ownerOf(machine, run) }))
  const ownedBy = (owner: object | undefined): MachineFolder[] =>
    owners.filter(({ test, file }) => (test ?? file) === owner).map(({ machine }) => machine)

  const subjects = run.files.flatMap((file) => [
    ...wholeFile(file, ownedBy(file)),
    ...file.tests.map((test) => ({
      title: nameOf(test.name),
      file: file.name,
      status: test.status,
      duration: test.duration,
      ...(test.reason !== undefined && { reason: test.reason }),
      ...(test.failure && { failure: test.failure }),
      machines: ownedBy(test),
    })),
  ])
  const strangers = ownedBy(undefined)
  if (strangers.length > 0) {
    subjects.push({ title: 'Other machines', status: 'shared', machines: strangers })
  }
  return subjects
    .toSorted((a, b) => order[a.status] - order[b.status])
    .map((subject, index) => Object.assign(subject, { id: `t${index + 1}` }))
}

/** A page for what belongs to a file and to none of its tests, if there is anything. */
function wholeFile(file: FileResult, machines: readonly MachineFolder[]): Omit<Subject, 'id'>[] {
  if (file.failure === undefined && file.output === '' && machines.length === 0) return []
  return [
    {
      title: 'The whole file',
      file: file.name,
      status: file.failure === undefined ? 'shared' : 'failed',
      duration: file.duration,
      ...(file.failure && { failure: file.failure }),
      output: file.output,
      machines,
    },
  ]
}
