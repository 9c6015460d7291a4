import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Happening, MachineEvent } from '../../src/record/event.ts'
import { RecordFolder } from '../../src/record/record-folder.ts'
import type { FileResult, TestResult, TestRun } from '../../src/report/results.ts'

/** When the sample run was, in milliseconds since the epoch. */
export const START = Date.UTC(2026, 4, 17, 9, 30)

/** What a guest might write to get out of where its text is shown. */
export const HOSTILE =
  '</script></pre></template><script>window.stolen=1</script><img src=x onerror="window.stolen=1">' +
  '\u0000\u0007\u001B[31mred\u001B[0m\u001B]0;title\u0007 \u202Egnp.exe "\'&amp;'

/** A PNG of one pixel. */
const PIXEL = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==',
  'base64',
)

/** A pcap file without a packet in it. */
const CAPTURE = Buffer.from('d4c3b2a1020004000000000000000000ffff000001000000', 'hex')

/** Events at seconds after {@link START}. */
export function at(...happenings: readonly (readonly [number, Happening])[]): MachineEvent[] {
  return happenings.map(([seconds, happening]) =>
    Object.assign({ time: START + seconds * 1000 }, happening),
  )
}

/** Writes a machine's folder of artifacts. */
export function writeMachine(folder: string, events: readonly MachineEvent[]): void {
  mkdirSync(folder, { recursive: true })
  using record = new RecordFolder(folder)
  for (const event of events) record.add(event)
}

/** A test that takes from one second to another. */
export function testResult(
  name: readonly string[],
  [from, to]: readonly [number, number],
  more: Partial<TestResult> = {},
): TestResult {
  return {
    name,
    status: 'passed',
    start: START + from * 1000,
    duration: (to - from) * 1000,
    ...more,
  }
}

/** A file of tests; its machines are in a folder of its name. */
export function fileResult(
  root: string,
  name: string,
  tests: readonly TestResult[],
  more: Partial<FileResult> = {},
): FileResult {
  return {
    name,
    path: join('/tests', name),
    start: START,
    duration: 30_000,
    output: '',
    tests,
    artifacts: join(root, name),
    ...more,
  }
}

/** A run of two files: one test with two machines fails, one passes, one is skipped. */
export function sampleRun(root: string): TestRun {
  const nginx = join(root, 'nginx.vm.test.ts')
  writeMachine(join(nginx, 'server'), serverEvents())
  writeFileSync(join(nginx, 'server', 'screen.png'), PIXEL)
  writeFileSync(
    join(nginx, 'server', 'journal.txt'),
    `May 17 server nginx[1]: ${HOSTILE}\nlast line\n`,
  )
  writeFileSync(join(nginx, 'server', 'vlan1.pcap'), CAPTURE)
  writeMachine(join(nginx, 'client'), clientEvents())
  writeMachine(join(root, 'units.vm.test.ts', 'machine'), quietEvents())
  return {
    start: START,
    duration: 42_000,
    files: [
      fileResult(root, 'nginx.vm.test.ts', [
        testResult(['web', 'answers'], [0, 20], {
          status: 'failed',
          failure: {
            message: 'curl ended with 7',
            text: `Error: curl ended with 7\n    at nginx.vm.test.ts:9:3\n${HOSTILE}`,
          },
        }),
        testResult(['web', 'logs'], [20, 20], { status: 'skipped', reason: 'no journal' }),
      ]),
      fileResult(root, 'units.vm.test.ts', [testResult(['units start'], [5, 15])], {
        output: 'a word of its own\n',
      }),
    ],
  }
}

function serverEvents(): MachineEvent[] {
  return at(
    [
      0.1,
      {
        kind: 'machine',
        name: 'server',
        accelerator: 'tcg',
        acceleratorReason: 'there is no /dev/kvm',
        options: { root: '/srv/debian', memoryMiB: 1024 },
      },
    ],
    [
      0.3,
      {
        kind: 'qemu',
        command: ['qemu-system-x86_64', '-append', 'quiet panic=-1'],
        version: '11.1.3',
      },
    ],
    [1, { kind: 'console', line: 'Linux version 6.1.0' }],
    [1.5, { kind: 'phase', phase: 'init' }],
    [2, { kind: 'console', line: HOSTILE }],
    [4, { kind: 'console', line: '[\u001B[0;32m  OK  \u001B[0m] Started nginx' }],
    [6, { kind: 'ready' }],
    [6.1, { kind: 'step-started', id: 1, name: 'start the server' }],
    [6.2, { kind: 'wait-started', id: 2, what: 'unit nginx.service', step: 1 }],
    [8.9, { kind: 'wait-ended', id: 2 }],
    [9, { kind: 'command-started', id: 3, text: 'ss -ltn', user: 'root', cwd: '/', step: 1 }],
    [9.1, { kind: 'command-output', id: 3, stream: 'stdout', text: 'LISTEN 0.0.0.0:80\n' }],
    [9.3, { kind: 'command-ended', id: 3, exitCode: 0 }],
    [9.4, { kind: 'step-ended', id: 1 }],
    [12, { kind: 'unit-failed', unit: 'nginx.service', result: 'exit-code' }],
    [13, { kind: 'screenshot', file: 'screen.png' }],
    [14, { kind: 'command-started', id: 4, text: `echo ${HOSTILE}` }],
    [14.2, { kind: 'command-output', id: 4, stream: 'stdout', text: `\n  out ${HOSTILE}` }],
    [14.3, { kind: 'command-output', id: 4, stream: 'stderr', base64: '//79', skipped: 5000 }],
    [15, { kind: 'command-ended', id: 4, exitCode: null, signal: 'SIGKILL' }],
    [18, { kind: 'ended', reason: 'lowerdir ended the machine, which was no longer needed.' }],
  )
}

function clientEvents(): MachineEvent[] {
  return at(
    [0.2, { kind: 'machine', name: 'client', accelerator: 'tcg' }],
    [0.4, { kind: 'qemu', command: ['qemu-system-x86_64'] }],
    [5, { kind: 'ready' }],
    [9.5, { kind: 'network', change: '50 ms of delay to server' }],
    [10, { kind: 'command-started', id: 1, text: 'curl -sf http://server/' }],
    [
      11,
      { kind: 'command-output', id: 1, stream: 'stderr', text: 'curl: (7) Failed to connect\n' },
    ],
    [11.1, { kind: 'command-ended', id: 1, exitCode: 7 }],
    [12, { kind: 'wait-started', id: 2, what: 'port 80' }],
    [17, { kind: 'wait-ended', id: 2, failure: 'not open after 5 s' }],
    [17.5, { kind: 'command-started', id: 3, text: 'sleep 100' }],
    [18, { kind: 'console', line: 'client console' }],
  )
}

function quietEvents(): MachineEvent[] {
  return at(
    [6, { kind: 'machine', name: 'machine', accelerator: 'kvm' }],
    [6.1, { kind: 'qemu', command: ['qemu-system-x86_64'] }],
    [7, { kind: 'ready' }],
    [7.5, { kind: 'command-started', id: 1, text: 'systemctl is-active cron' }],
    [7.6, { kind: 'command-output', id: 1, stream: 'stdout', text: 'active\n' }],
    [7.7, { kind: 'command-ended', id: 1, exitCode: 0 }],
    [9, { kind: 'ended', reason: 'lowerdir ended the machine, which was no longer needed.' }],
  )
}
