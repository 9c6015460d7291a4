/** Why a command did not get to its end. */
export type CommandFailure =
  | { readonly kind: 'timeout'; readonly seconds: number }
  | { readonly kind: 'output'; readonly bytes: number }
  | { readonly kind: 'aborted'; readonly reason: unknown }

/** A failure as what has happened to the command, without a full stop. */
export function failureText(failure: CommandFailure): string {
  switch (failure.kind) {
    case 'timeout':
      return `was ended after ${failure.seconds} seconds`
    case 'output':
      return `was ended after ${failure.bytes} bytes of output; maxOutput allows for more`
    case 'aborted':
      return 'was aborted'
  }
}

/** What is known of a command that failed. */
export interface FailedCommand {
  /** The machine that it ran on. */
  readonly machine: string
  readonly command: string
  /** Null for one that did not get to its end. */
  readonly exitCode: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
  /** The end of the machine's console. */
  readonly console: string
}

/** Most characters of a stream in a message: its end, where the reason usually is. */
const SHOWN = 4000

/** A command failed, or did not fail as it should have: what it was, what it said, and the end of the console. */
export class CommandError extends Error implements FailedCommand {
  override readonly name = 'CommandError'
  readonly machine: string
  readonly command: string
  readonly exitCode: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
  readonly console: string

  /** @param what happened, as a sentence without its full stop: "exited with 3". */
  constructor(what: string, failed: FailedCommand, options?: ErrorOptions) {
    super(message(what, failed), options)
    this.machine = failed.machine
    this.command = failed.command
    this.exitCode = failed.exitCode
    this.signal = failed.signal
    this.stdout = failed.stdout
    this.stderr = failed.stderr
    this.console = failed.console
  }
}

function message(
  what: string,
  { machine, command, stdout, stderr, console }: FailedCommand,
): string {
  return [
    `${machine}: \`${command}\` ${what}.`,
    part('stdout', stdout),
    part('stderr', stderr),
    part('console', console),
  ]
    .filter((text) => text !== '')
    .join('\n')
}

function part(name: string, text: string): string {
  const trimmed = text.trimEnd()
  if (trimmed === '') return ''
  const shown = trimmed.length > SHOWN ? `…${trimmed.slice(-SHOWN)}` : trimmed
  return `--- ${name}\n${shown}`
}
