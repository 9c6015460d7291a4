import type { MessageName } from '../../../src/9p/index.ts'
import { requestFrame } from '../../support/frames.ts'
import { decodedFields, type JsonFields, type WorldSetup } from '../trace.ts'

/** A request of the table. */
export interface RequestStep {
  readonly T: MessageName
  readonly tag: number
  readonly fields: JsonFields
}

/** One step, beside those of the world. */
export type Step =
  | RequestStep
  /** Bytes as they are, in hex. */
  | { readonly raw: string }
  /** The client disconnects, and another one connects. */
  | { readonly reconnect: 'hello' | 'silent' }
  /** The session is saved, and another server goes on with it. */
  | { readonly resume: 'elsewhere' }

/** What a run is made with. */
export interface Setup extends WorldSetup {
  /** The first requests of a correct client. */
  readonly msize: number
}

/** The request's frame. */
export function frameOf(step: RequestStep): Buffer {
  return requestFrame(step.tag, step.T, decodedFields(step.fields) as never)
}
