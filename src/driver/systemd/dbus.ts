import { printable } from '../../util/printable.ts'
/**
 * The part of D-Bus that receives signals on a connection between two peers (D-Bus Specification, "Message Protocol" and
 * "Authentication Protocol"). Headers are parsed, bodies are skipped.
 */

/** The parts of a message's header that are used here. */
export interface Header {
  readonly type: 'call' | 'return' | 'error' | 'signal'
  /** The object that emits a signal. */
  readonly path: string
  /** The name of a signal. */
  readonly member: string
  /** The serial of the call that this message answers; 0 for none. */
  readonly replySerial: number
}

/** The client's part of the authentication: EXTERNAL without an identity, which the server takes from the socket. */
export const GREETING = '\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n'

/** The codes of header fields ("Header Fields"). */
const PATH = 1
const INTERFACE = 2
const MEMBER = 3
const REPLY_SERIAL = 5

/** A call of Peer.Ping, which every peer has and which does nothing. Its serial is 1. */
export const PING = call('/', 'org.freedesktop.DBus.Peer', 'Ping')

const TYPES = ['call', 'return', 'error', 'signal'] as const

/** The bytes of a header's fixed part: byte order, type, flags, version, length of the body, serial, length of the fields. */
const FIXED = 16

/** The longest message that the specification allows, in bytes (128 MiB). */
const LONGEST = 2 ** 27

/**
 * The longest line of a greeting, and the longest fields of a header, in bytes. The specification allows more; systemd's
 * signals have some hundred.
 */
const HEADER = 16 << 10

/** The server did not speak D-Bus, or refused the connection. */
export class DBusError extends Error {
  override readonly name = 'DBusError'
}

/** Parses a server's bytes: first its answers to the greeting, then messages. */
export class MessageReader {
  #rest = Buffer.alloc(0)
  #isGreeted = false
  /** How many bytes of a body are still to come. */
  #skip = 0

  /**
   * Adds bytes that have arrived.
   *
   * @returns the headers that are complete now.
   * @throws DBusError for bytes that are no D-Bus.
   */
  add(bytes: Uint8Array): Header[] {
    this.#rest = Buffer.concat([this.#rest, this.#withoutBody(bytes)])
    if (!this.#isGreeted && !this.#greeted()) return []
    const headers: Header[] = []
    for (let length = this.#length(); length !== undefined; length = this.#length()) {
      headers.push(readHeader(this.#rest.subarray(0, length.header)))
      const behind = this.#rest.subarray(length.header)
      this.#skip = length.body
      this.#rest = Buffer.from(this.#withoutBody(behind))
    }
    return headers
  }

  /** What follows the rest of a body. Bodies are not kept: a guest decides how long they are. */
  #withoutBody(bytes: Uint8Array): Uint8Array {
    const skipped = Math.min(this.#skip, bytes.length)
    this.#skip -= skipped
    return bytes.subarray(skipped)
  }

  #greeted(): boolean {
    for (let end = this.#rest.indexOf('\r\n'); end >= 0; end = this.#rest.indexOf('\r\n')) {
      const line = this.#rest.toString('latin1', 0, end)
      this.#rest = this.#rest.subarray(end + 2)
      if (line.startsWith('OK ')) return (this.#isGreeted = true)
      if (line !== 'DATA')
        throw new DBusError(`The D-Bus server refused the connection: "${printable(line)}".`)
    }
    checkLength(this.#rest.length, HEADER, 'greeting')
    return false
  }

  /** The lengths of the first message's header and body, in bytes; undefined until the header is complete. */
  #length(): { readonly header: number; readonly body: number } | undefined {
    const rest = this.#rest
    if (rest.length < FIXED) return undefined
    const read = readerOf(rest)
    const header = FIXED + align(read(12), 8)
    const body = read(4)
    checkLength(header, HEADER, 'header')
    checkLength(header + body, LONGEST, 'message')
    return rest.length < header ? undefined : { header, body }
  }
}

function checkLength(length: number, most: number, what: string): void {
  if (length <= most) return
  throw new DBusError(`A D-Bus ${what} of ${length} bytes is over the limit of ${most}.`)
}

/** Reads u32 values in the byte order of a message. @throws DBusError behind its end. */
function readerOf(message: Buffer): (at: number) => number {
  const read = orderOf(message)
  return (at) => {
    if (at + 4 <= message.length) return read(at)
    throw new DBusError('A D-Bus header ends in the middle of a field.')
  }
}

function orderOf(message: Buffer): (at: number) => number {
  switch (message[0]) {
    case 0x6c: // l
      return (at) => message.readUInt32LE(at)
    case 0x42: // B
      return (at) => message.readUInt32BE(at)
    default:
      throw new DBusError('A D-Bus message begins with l or B, and this one does not.')
  }
}

/** Parses a header. Its fields are an array of structs of a code and a variant, each aligned to 8 bytes. */
function readHeader(message: Buffer): Header {
  const read = readerOf(message)
  const header = { path: '', member: '', replySerial: 0 }
  const end = FIXED + read(12)
  for (let at = FIXED; at < end; at = align(at, 8)) {
    const code = message[at]
    const signature = message.toString('latin1', at + 2, at + 2 + (message[at + 1] ?? 0))
    at += 3 + signature.length
    switch (signature) {
      case 'o':
      case 's': {
        at = align(at, 4)
        const length = read(at)
        const text = message.toString('utf8', at + 4, at + 4 + length)
        if (code === PATH) header.path = text
        if (code === MEMBER) header.member = text
        at += 4 + length + 1
        break
      }
      case 'u':
        at = align(at, 4)
        if (code === REPLY_SERIAL) header.replySerial = read(at)
        at += 4
        break
      case 'g':
        at += 1 + (message[at] ?? 0) + 1
        break
      default:
        throw new DBusError(`A D-Bus header has no field of the type ${signature}.`)
    }
  }
  return { type: TYPES[(message[1] ?? 0) - 1] ?? 'signal', ...header }
}

/** A method call without arguments, and without a destination: it is for the peer at the other end. */
function call(path: string, interfaceName: string, member: string): Buffer {
  const fields: Buffer[] = []
  for (const [code, signature, value] of [
    [PATH, 'o', path],
    [INTERFACE, 's', interfaceName],
    [MEMBER, 's', member],
  ] as const) {
    const field = Buffer.alloc(align(9 + value.length, 8))
    field.writeUInt8(code, 0)
    field.writeUInt8(1, 1)
    field.write(signature, 2)
    field.writeUInt32LE(value.length, 4)
    field.write(value, 8)
    fields.push(field)
  }
  const body = Buffer.concat(fields)
  // The padding of the last field is part of the header, but not of the array of fields.
  const padding = align(9 + member.length, 8) - (9 + member.length)
  const fixed = Buffer.from([0x6c, 1, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0])
  fixed.writeUInt32LE(body.length - padding, 12)
  return Buffer.concat([fixed, body])
}

function align(offset: number, boundary: number): number {
  return Math.ceil(offset / boundary) * boundary
}
