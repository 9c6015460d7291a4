import { BUSYBOX } from '../guest/agent.ts'
import { SPARSE_BLOCK, type SparseSource } from './sparse-source.ts'

/**
 * A shell function for the guest. It reads the records of {@link sparseRecords} from its standard input up to
 * {@link SPARSE_END}, and no byte more: `read` takes the bytes of a pipe one by one, and dd whole blocks.
 */
export const RECEIVE_SPARSE = `receive_sparse() {
  while read -r what first second; do
    case $what in
      new | file)
        name=$(${BUSYBOX} printf '%b.' "$first") && name=\${name%.} || return
        folder=\${name%/*}
        ${BUSYBOX} mkdir -p "\${folder:-/}" || return
        case $what in new) ${BUSYBOX} rm -f "$name" || return ;; esac
        (umask 077 && exec ${BUSYBOX} dd of="$name" count=0 status=none)
        ;;
      data)
        ${BUSYBOX} dd of="$name" bs=${SPARSE_BLOCK} seek="$first" count="$second" \\
          iflag=fullblock conv=notrunc status=none
        ;;
      size) ${BUSYBOX} truncate -s "$first" "$name" ;;
      mode) ${BUSYBOX} chmod "$first" "$name" ;;
      time) ${BUSYBOX} touch -d "@$first" "$name" ;;
      end) return 0 ;;
    esac || return
  done
  return 1
}`

/** The last record: the function returns, and what follows on the standard input is for others. */
export const SPARSE_END = Buffer.from('end\n')

/**
 * The records of one file. Where it has become shorter meanwhile, zeros take the place of what is missing.
 *
 * @param path in the guest: a byte string.
 * @param isNew whether what has the path in the guest is removed first, and the file gets its time.
 */
export async function* sparseRecords(
  { handle, ranges, size, mode, mtime }: SparseSource,
  path: string,
  isNew: boolean,
): AsyncGenerator<Buffer, void> {
  yield Buffer.from(`${isNew ? 'new' : 'file'} ${escaped(path)}\n`)
  for (const { start, end } of ranges) {
    yield Buffer.from(`data ${start / SPARSE_BLOCK} ${Math.ceil((end - start) / SPARSE_BLOCK)}\n`)
    for (let at = start; at < end; at += SPARSE_BLOCK) {
      const block = Buffer.alloc(SPARSE_BLOCK)
      await handle.read(block, 0, Math.min(SPARSE_BLOCK, size - at), at)
      yield block
    }
  }
  yield Buffer.from(`size ${size}\nmode ${mode.toString(8)}\n`)
  if (isNew) yield Buffer.from(`time ${mtime}\n`)
}

/** A byte string for `printf %b`: one word of a line, whatever its bytes are. */
function escaped(path: string): string {
  return path.replaceAll(
    /[^\w./-]/g,
    (byte) => `\\0${byte.charCodeAt(0).toString(8).padStart(3, '0')}`,
  )
}
