/** What is wrong with a frame. The codes are stable, because logs and tests name them. */
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
  | 'NO_INIT'
  | 'TOO_MANY_REQUESTS'

/** The peer has broken the protocol: the connection has to end. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError'
  readonly code: ProtocolErrorCode

  constructor(code: ProtocolErrorCode, detail: string) {
    super(detail)
    this.code = code
  }
}
