import type { Payload } from '../../src/sys/memory.ts'
import type { HostPolicy } from '../../src/tree/host/policy.ts'
import { memoryOf } from '../support/frames.ts'
import type { HostAction } from './world.ts'

/** A request's fields as JSON. Bigints and payloads have a special form. */
export type JsonFields = Readonly<Record<string, JsonValue>>

export type JsonValue =
  | number
  | string
  | readonly string[]
  | { readonly u64: string }
  | { readonly bytes: string }
  | { readonly zeros: number }
  | readonly JsonFields[]

/** The steps that all protocols have. A step contains everything that a run depends on, so that it can be run again. */
export type WorldStep =
  /** Timers of so many milliseconds go off. */
  | { readonly later: number }
  /** Something changes on the host. */
  | { readonly host: HostAction; readonly path: string; readonly to?: string }

/** What a run of any protocol is made with. */
export interface WorldSetup {
  readonly seed: number
  readonly policy: HostPolicy
}

/** The fields as the codecs take them. */
export function decodedFields(fields: JsonFields): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, fieldOf(value)]))
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
export function traceText(setup: object, steps: readonly object[]): string {
  return [setup, ...steps].map((line) => `${asciiJson(line)}\n`).join('')
}

export function parseTrace(text: string): { readonly setup: object; readonly steps: object[] } {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  const [setup, ...steps] = lines.map((line) => JSON.parse(line) as object)
  if (setup === undefined) throw new Error('a trace without a setup')
  return { setup, steps }
}

/** Bytes above 127 are escaped, so that editors and diffs leave them alone. */
function asciiJson(value: unknown): string {
  return JSON.stringify(value).replaceAll(
    /[\u007f-\u00ff]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
