import type { MessageName, Payload } from '../../src/9p/index.ts'
import type { HostPolicy } from '../../src/tree/host/policy.ts'
import { memoryOf, requestFrame } from '../support/frames.ts'
import type { HostAction } from './world.ts'

/** A request's fields as JSON. Bigints and payloads have a special form. */
export type JsonFields = Readonly<Record<string, JsonValue>>

type JsonValue =
  | number
  | string
  | readonly string[]
  | { readonly u64: string }
  | { readonly bytes: string }
  | { readonly zeros: number }

/** A request of the table. */
export interface RequestStep {
  readonly T: MessageName
  readonly tag: number
  readonly fields: JsonFields
}

/** One step. It contains everything that a run depends on, so that a list of steps can be run again. */
export type Step =
  | RequestStep
  /** Bytes as they are, in hex. */
  | { readonly raw: string }
  /** The client disconnects, and another one connects. */
  | { readonly reconnect: 'hello' | 'silent' }
  /** The session is saved, and another server goes on with it. */
  | { readonly resume: 'elsewhere' }
  /** Timers of so many milliseconds go off. */
  | { readonly later: number }
  /** Something changes on the host. */
  | { readonly host: HostAction; readonly path: string; readonly to?: string }

/** What a run is made with. */
export interface Setup {
  readonly seed: number
  readonly policy: HostPolicy
  /** The first requests of a correct client. */
  readonly msize: number
}

/** The request's frame. */
export function frameOf(step: RequestStep): Buffer {
  const fields = Object.entries(step.fields).map(([name, value]) => [name, fieldOf(value)])
  return requestFrame(step.tag, step.T, Object.fromEntries(fields) as never)
}

function fieldOf(value: JsonValue): unknown {
  if (typeof value !== 'object' || Array.isArray(value)) return value
  if ('u64' in value) return BigInt(value.u64)
  if ('bytes' in value) return payloadOf(Buffer.from(value.bytes, 'latin1'))
  return 'zeros' in value ? payloadOf(Buffer.alloc(value.zeros)) : value
}

function payloadOf(bytes: Buffer): Payload {
  return { memory: memoryOf(bytes), offset: 0, length: bytes.length }
}

/** A trace as text: one line for the setup and one for each step. */
export function traceText(setup: Setup, steps: readonly Step[]): string {
  return [setup, ...steps].map((line) => `${asciiJson(line)}\n`).join('')
}

export function parseTrace(text: string): { setup: Setup; steps: Step[] } {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  const [setup, ...steps] = lines.map((line) => JSON.parse(line) as unknown)
  return { setup: setup as Setup, steps: steps as Step[] }
}

/** Bytes above 127 are escaped, so that editors and diffs leave them alone. */
function asciiJson(value: unknown): string {
  return JSON.stringify(value).replaceAll(
    /[\u007f-\u00ff]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
