/**
 * The command line: the only room that prints to the terminal and ends the process.
 *
 * bin/lowerdir imports it.
 */

import { didYouMean } from '../util/nearest.ts'
import type { Command, Program } from './command.ts'
import { print, printError } from './print.ts'
import { version } from './version.ts'

/** Each command, loaded only when it is asked for. */
const commands: Readonly<Record<string, () => Promise<Command | Program>>> = {
  run: async () => (await import('./run.ts')).run,
  serve: async () => (await import('./serve.ts')).serve,
  virtiofsd: async () => (await import('./virtiofsd.ts')).virtiofsd,
  test: async () => (await import('./test.ts')).test,
  setup: async () => (await import('./setup.ts')).setup,
  root: async () => (await import('./root.ts')).root,
  snapshot: async () => (await import('./snapshot.ts')).snapshot,
  doctor: async () => (await import('./doctor.ts')).doctor,
}

/** The exit status for a failure of lowerdir itself, as docker(1) and env(1) have it: commands rarely use it. */
const FAILURE = 125

async function main([name, ...args]: readonly string[]): Promise<number> {
  if (process.platform !== 'linux') {
    printError(
      `lowerdir: needs Linux, and this is ${process.platform}: it serves files with Linux's own system calls.`,
    )
    return FAILURE
  }
  if (name === '--version') {
    print(version())
    return 0
  }
  if (name === 'help' && args.length > 0) return main([args[0] ?? '', '--help'])
  if (name === undefined || name === '--help' || name === 'help') {
    print(await overview())
    return 0
  }
  const load = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (load === undefined) {
    const guess = didYouMean(name, [...Object.keys(commands), '--help', '--version'])
    printError(`lowerdir: there is no command ${name}.${guess} \`lowerdir --help\` lists them.`)
    return FAILURE
  }
  const command = await load()
  if ('main' in command) return command.main(args)
  const { runCommand } = await import('./command.ts')
  return runCommand(name, command, args)
}

async function overview(): Promise<string> {
  const lines = await Promise.all(
    Object.entries(commands).map(
      async ([name, load]) => `  ${name.padEnd(10)}${(await load()).summary}`,
    ),
  )
  return `A host directory as the lower layer of virtual machines.

${lines.join('\n')}

\`lowerdir COMMAND --help\`, or \`lowerdir help COMMAND\`, lists a command's options.`
}

/** Prints an error: its message, and the stack where it is a mistake in lowerdir. Returns the exit status. */
function report(error: unknown): number {
  if (!(error instanceof Error)) {
    printError(`lowerdir: ${String(error)}`)
    return FAILURE
  }
  const status = 'exitStatus' in error ? Number(error.exitStatus) : FAILURE
  // The user has sent the signal and needs no explanation.
  if (error.name === 'Interrupted') return status
  if ('console' in error && typeof error.console === 'string' && error.console !== '') {
    printError(
      `lowerdir: The end of the guest's console:\n${error.console.replaceAll(/^/gm, '  | ')}`,
    )
  }
  const isOurs = ['TypeError', 'RangeError', 'ReferenceError', 'AssertionError'].includes(
    error.name,
  )
  const text = isOurs ? (error.stack ?? error.message) : error.message
  printError(`lowerdir: ${isOurs ? text : text.replaceAll('\n', '\nlowerdir: ')}`)
  return status
}

// Standard input may still be open, and nothing else is left to do.
process.exit(await main(process.argv.slice(2)).catch(report))
