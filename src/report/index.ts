export { writeJunit } from './junit.ts'
export { type MachineFolder, readMachines } from './machine-folder.ts'
export { type Failure, type FileResult, type TestResult, type TestRun } from './results.ts'
export { writeReport } from './write-report.ts'
