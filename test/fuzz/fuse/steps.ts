import type { FusePolicy } from '../../../src/fuse/caching.ts'
import type { MessageName } from '../../../src/fuse/wire/messages.ts'
import { requestBytes, roomFor } from '../../support/fuse/requests.ts'
import { decodedFields, type JsonFields, type WorldSetup } from '../trace.ts'

/** A request of the table. */
export interface RequestStep {
  readonly T: MessageName
  readonly unique: number
  readonly nodeid: number
  readonly uid?: number
  readonly fields: JsonFields
  /** How many bytes its reply may have, where that is not what Linux leaves for it. */
  readonly room?: number
}

/** One step, beside those of the world. */
export type Step =
  | RequestStep
  /** Bytes as they are, in hex. */
  | { readonly raw: string; readonly room: number }
  /** The device is reset, and another driver begins: with INIT, or without. */
  | { readonly reset: 'hello' | 'silent' }

/** What a run is made with. */
export interface Setup extends WorldSetup {
  readonly fuse: FusePolicy
  /** The most nodes and the most open files. */
  readonly fids?: number
}

/** The request's bytes. */
export function bytesOf({ T, unique, nodeid, uid = 0, fields }: RequestStep): Buffer {
  return requestBytes(unique, T, decodedFields(fields) as never, { nodeid, uid, gid: uid })
}

/** How many bytes the reply to a request may have. */
export function roomOf({ T, fields, room }: RequestStep): number {
  return room ?? roomFor(T, fields as never)
}
