/** What was wrong with a frame. The code is stable: logs and tests name it. */
export type ProtocolErrorCode =
  | 'TRUNCATED'
  | 'TRAILING_BYTES'
  | 'FRAME_TOO_SMALL'
  | 'FRAME_TOO_LARGE'
  | 'NUMBER_TOO_LARGE'
  | 'LIST_TOO_LONG'
  | 'UNEXPECTED_REPLY'
  | 'DUPLICATE_TAG'
  | 'NO_VERSION'
  | 'TOO_MANY_REQUESTS'

/** The peer broke the protocol: the connection cannot go on. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError'
  readonly code: ProtocolErrorCode

  constructor(code: ProtocolErrorCode, detail: string) {
    super(detail)
    this.code = code
  }
}
