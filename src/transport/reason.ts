import { ProtocolError } from '../9p/wire/protocol-error.ts'

/** Why a client's connection or device ends, for the log. */
export function reasonFor(error: unknown): string {
  if (error instanceof ProtocolError) return `protocol error ${error.code}: ${error.message}`
  return error instanceof Error ? error.message : String(error)
}
