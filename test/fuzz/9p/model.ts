import type { MessageName, Qid } from '../../../src/9p/index.ts'

/** What the client knows of a fid. */
export interface KnownFid {
  /**
   * The file's qid.path; null if the fid does not stand for a file, but for an attribute's value, for
   * example.
   */
  readonly path: bigint | null
  /** Bits of qid.type. */
  readonly type: number
  /** The path that it was walked to, relative to the export. After changes by the host it may be wrong. */
  readonly where: string
  open: boolean
  /** For an attribute that is being written: its size, and how many bytes it has. */
  readonly value?: { readonly size: number; written: number }
}

type Fields = Readonly<Record<string, unknown>>

/** The client's side of a session: which fids there are and what they stand for. */
export class Model {
  readonly fids = new Map<number, KnownFid>()
  /** 0 before Tversion. */
  msize = 0

  /** Applies a valid request. `reply` is null for an Rlerror. */
  answered(name: MessageName, request: Fields, reply: Fields | null): void {
    const fid = request['fid'] as number
    // Whatever the answer is, the fid is gone (clunk(5), remove(5)).
    if (name === 'clunk' || (name as string) === 'remove') this.fids.delete(fid)
    // Tversion ends the session before it, whether or not another one begins.
    if (name === 'version') this.fids.clear()
    if (reply === null) return
    const qid = reply['qid'] as Qid | undefined
    switch (name as string) {
      case 'version':
        this.msize = reply['msize'] as number
        return
      case 'attach':
        if (qid !== undefined) this.fids.set(fid, known(qid, ''))
        return
      case 'walk':
        this.#walked(request, reply['qids'] as readonly Qid[])
        return
      case 'lopen': {
        const opened = this.fids.get(fid)
        if (opened !== undefined) opened.open = true
        return
      }
      case 'lcreate': {
        const { where } = this.fids.get(fid) as KnownFid
        const path = `${where}/${String(request['name'])}`
        if (qid !== undefined) this.fids.set(fid, { ...known(qid, path), open: true })
        return
      }
      case 'xattrcreate': {
        const value = { size: Number(request['size']), written: 0 }
        this.fids.set(fid, { ...noFile, value })
        return
      }
      case 'write': {
        const value = this.fids.get(fid)?.value
        if (value !== undefined) value.written += reply['count'] as number
        return
      }
      case 'auth':
        this.fids.set(request['afid'] as number, noFile)
        return
      default: {
        const newfid = request['newfid'] as number | undefined
        if (newfid !== undefined) this.fids.set(newfid, noFile)
      }
    }
  }

  #walked(request: Fields, qids: readonly Qid[]): void {
    const names = request['names'] as readonly string[]
    const from = this.fids.get(request['fid'] as number)
    // A shorter Rwalk makes no fid.
    if (from === undefined || qids.length < names.length) return
    const last = qids.at(-1)
    const there =
      last === undefined ? { ...from, open: false } : known(last, walkedTo(from.where, names))
    this.fids.set(request['newfid'] as number, there)
  }
}

const noFile: KnownFid = { path: null, type: 0, where: '', open: false }

function known({ path, type }: Qid, where: string): KnownFid {
  return { path, type, where, open: false }
}

function walkedTo(where: string, names: readonly string[]): string {
  const parts = where.split('/').filter((name) => name !== '')
  for (const name of names) {
    if (name === '..') parts.pop()
    else parts.push(name)
  }
  return parts.join('/')
}
