import type { MachineEvent } from './event.ts'

/** Whether the value of a field is one that its readers can handle. */
type Check = (value: unknown) => boolean

type Kind = MachineEvent['kind']

/** The names of the fields of an event, optional ones too. */
type FieldOf<K extends Kind> = Exclude<
  keyof Required<Extract<MachineEvent, { readonly kind: K }>>,
  'kind' | 'time'
>

/** The largest time, in milliseconds since the epoch: that of JavaScript's Date. */
const LATEST = 8.64e15

/** How deep values in the options of a machine may be nested. */
const DEPTH = 20

const text: Check = (value) => typeof value === 'string'
const number: Check = (value) => Number.isFinite(value)
const flag: Check = (value) => typeof value === 'boolean'
const texts: Check = (value) => Array.isArray(value) && value.every(text)
const options: Check = (value) => isObject(value) && !isDeeper(value, DEPTH)
const test: Check = (value) =>
  isObject(value) && text(Reflect.get(value, 'file')) && texts(Reflect.get(value, 'name'))

function oneOf(...choices: readonly unknown[]): Check {
  return (value) => choices.includes(value)
}

function optional(check: Check): Check {
  return (value) => value === undefined || check(value)
}

const stream = oneOf('stdout', 'stderr')

/** What each field of each kind of event has to be. */
const fields: { readonly [K in Kind]: Readonly<Record<FieldOf<K>, Check>> } = {
  machine: {
    name: text,
    accelerator: oneOf('kvm', 'tcg'),
    acceleratorReason: optional(text),
    options: optional(options),
    test: optional(test),
  },
  qemu: { command: texts, version: optional(text) },
  phase: { phase: text },
  ready: {},
  'command-started': {
    id: number,
    text,
    user: optional(text),
    cwd: optional(text),
    step: optional(number),
  },
  'command-output': {
    id: number,
    stream,
    skipped: optional(number),
    text: optional(text),
    base64: optional(text),
  },
  'command-ended': {
    id: number,
    exitCode: (value) => value === null || number(value),
    signal: optional(text),
    failure: optional(text),
  },
  'wait-started': { id: number, what: text, step: optional(number) },
  'wait-ended': { id: number, failure: optional(text) },
  'step-started': { id: number, name: text, step: optional(number) },
  'step-ended': { id: number, failure: optional(text) },
  console: { line: text },
  screenshot: { file: text },
  'unit-failed': { unit: text, result: optional(text) },
  'file-copied': { direction: oneOf('to-guest', 'to-host'), source: text, target: text },
  network: { change: text },
  snapshot: { action: oneOf('saved', 'restored'), name: text },
  ended: { reason: text, unexpected: optional(flag) },
  'left-out': { what: oneOf('console', 'events'), lines: number, bytes: number },
  note: { text },
}

/**
 * Parses a line of a record. The folder of artifacts may have files that a guest has made, so nothing in a line is taken
 * on trust.
 *
 * @returns undefined for a line that is no event. An event of a kind that this version does not know is one: a newer version
 *   may have written it.
 */
export function parseEvent(line: string): MachineEvent | undefined {
  let event: unknown
  try {
    event = JSON.parse(line)
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
  if (!isObject(event)) return undefined
  const { kind, time, ...rest } = event as Readonly<Record<string, unknown>>
  if (typeof kind !== 'string' || !isTime(time)) return undefined
  if (Object.hasOwn(fields, kind)) {
    const checks: Readonly<Record<string, Check>> = fields[kind as Kind]
    if (!Object.entries(checks).every(([name, check]) => check(rest[name]))) return undefined
  }
  return event as MachineEvent
}

function isTime(value: unknown): boolean {
  return typeof value === 'number' && value >= 0 && value <= LATEST
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isDeeper(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  return depth === 0 || Object.values(value).some((inner) => isDeeper(inner, depth - 1))
}
