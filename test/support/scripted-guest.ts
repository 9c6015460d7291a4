import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { Readable } from 'node:stream'
import { BUSYBOX } from '../../src/guest/agent.ts'
import { Answering } from '../../src/driver/answering.ts'
import type { Guest } from '../../src/driver/guest.ts'
import { Recorder } from '../../src/record/recorder.ts'

/** What a guest answers to one script of the driver's. */
export interface ScriptAnswer {
  readonly stdout?: Readable | readonly Buffer[] | Buffer | string
  readonly stderr?: Readable | string
  readonly status?: number | Promise<number>
}

/** A guest that is a function: it gets the scripts that the driver runs in a guest, with their input, and answers what it likes. */
export function scriptedGuest(
  answer: (script: string, input: Readable | null) => ScriptAnswer,
): Guest & { readonly recorder: Recorder } {
  const runScript = (script: string, input: Readable | null): unknown => {
    const { stdout = '', stderr = '', status = 0 } = answer(script, input)
    const out =
      stdout instanceof Readable
        ? stdout
        : Readable.from([stdout].flat().map((piece) => Buffer.from(piece)))
    return {
      stdout: out,
      stderr: stderr instanceof Readable ? stderr : Readable.from([Buffer.from(stderr)]),
      exitStatus: Promise.resolve(status),
      kill: () => out.destroy(),
      giveUp: () => {},
    }
  }
  const guest: Partial<Guest> = {
    name: 'evil',
    recorder: new Recorder(),
    ended: new Promise(() => {}),
    defaultTimeout: 60,
    upset: new AbortController().signal,
    answering: new Answering({ grace: 60, heard: () => 0, onSilent: () => {} }),
    consoleTail: () => '',
    qemu: { runScript } as unknown as Guest['qemu'],
  }
  return guest as Guest & { readonly recorder: Recorder }
}

/** A guest that has one file or directory, and sends `content` for it: a file's bytes, or an archive. */
export function guestWith(
  type: 'directory' | 'regular file',
  mode: string,
  content: ScriptAnswer['stdout'] = '',
): Guest & { readonly recorder: Recorder } {
  return scriptedGuest((script) =>
    script.includes(' stat ') ? { stdout: `${type}/${mode}\n` } : { stdout: content },
  )
}

/** A guest whose scripts run in this test's own directories: its paths are those of the host. @param busybox of a guest. */
export function localGuest(busybox: string): Guest & { readonly recorder: Recorder } {
  return scriptedGuest((script, input) => {
    const child = spawn(busybox, ['sh', '-c', script.replaceAll(BUSYBOX, busybox)])
    // The shell's script may end before it has read everything.
    child.stdin.on('error', () => {})
    if (input === null) child.stdin.end()
    else input.pipe(child.stdin)
    const status = once(child, 'close').then(([code]) => Number(code))
    return { stdout: child.stdout, stderr: child.stderr, status }
  })
}
