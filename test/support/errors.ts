import { ProtocolError, type ProtocolErrorCode } from '../../src/9p/index.ts'

/**
 * How `act` breaks the protocol; undefined when it does not. Anything else that is thrown is a
 * failure of the test.
 */
export function codeOf(act: () => unknown): ProtocolErrorCode | undefined {
  try {
    act()
  } catch (error) {
    if (error instanceof ProtocolError) return error.code
    throw error
  }
  return undefined
}

/** The errno that `act` fails with; 0 when it does not. */
export function errnoOf(act: () => unknown): number {
  try {
    act()
  } catch (error) {
    return (error as { errno: number }).errno
  }
  return 0
}
