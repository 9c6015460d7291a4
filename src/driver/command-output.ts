import { ByteCollector } from '../util/byte-collector.ts'

/** A piece of a command's output, as it arrived. */
export interface OutputPiece {
  readonly stream: 'stdout' | 'stderr'
  readonly data: Buffer
}

/** Output of one stream without any of the other in between. */
interface Run {
  readonly stream: OutputPiece['stream']
  readonly bytes: ByteCollector
}

/** How far a reader has read. */
export interface OutputPosition {
  run: number
  offset: number
}

/** What a change from one stream to the other counts as, in bytes: what it takes in memory beside the output. */
const CHANGE = 128

/**
 * The output of a command, in the order in which it arrived, up to a limit in bytes. The guest decides how small the pieces
 * are: pieces of one stream are joined, and a change of the stream counts as {@link CHANGE} bytes.
 */
export class CommandOutput {
  readonly #most: number
  readonly #runs: Run[] = []
  #left: number

  /** @param most the limit of both streams together, in bytes. */
  constructor(most: number) {
    this.#most = most
    this.#left = most
  }

  /** Adds a piece. @returns whether it is within the limit; otherwise nothing of it is kept. */
  add({ stream, data }: OutputPiece): boolean {
    const last = this.#runs.at(-1)
    const isChange = last !== undefined && last.stream !== stream
    const cost = data.length + (isChange ? CHANGE : 0)
    if (cost > this.#left) return false
    this.#left -= cost
    const run = last?.stream === stream ? last : { stream, bytes: new ByteCollector(this.#most) }
    if (run !== last) this.#runs.push(run)
    return run.bytes.add(data)
  }

  /** What has arrived behind a position, of one stream, and moves the position there; undefined if there is nothing yet. */
  next(position: OutputPosition): OutputPiece | undefined {
    for (; position.run < this.#runs.length; position.run++, position.offset = 0) {
      const run = this.#runs[position.run]
      if (run === undefined || run.bytes.length === position.offset) continue
      const data = run.bytes.from(position.offset)
      position.offset = run.bytes.length
      return { stream: run.stream, data }
    }
    // More may be added to the last run.
    if (this.#runs.length > 0) {
      position.run = this.#runs.length - 1
      position.offset = this.#runs[position.run]?.bytes.length ?? 0
    }
    return undefined
  }

  /** All of one stream. */
  all(stream: OutputPiece['stream']): Buffer {
    const runs = this.#runs.flatMap((run) => (run.stream === stream ? [run.bytes.from(0)] : []))
    return Buffer.concat(runs)
  }
}
