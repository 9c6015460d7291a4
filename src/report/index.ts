export type {
  BootEntry,
  CommandEntry,
  Entry,
  HistoryLine,
  MachineHistory,
  MomentEntry,
  Span,
  SpanEntry,
  StepEntry,
  WaitEntry,
} from './history.ts'
export { writeJunit } from './junit.ts'
export { type FoundFile, type MachineFolder, readMachines } from './machine-folder.ts'
export { type Failure, type FileResult, type TestResult, type TestRun } from './results.ts'
export { writeReport } from './write-report.ts'
