import type { Reader, Writer } from './cursor.ts'

/** How one kind of field is read from and written to the wire. */
export interface Kind<V> {
  /** The least number of bytes that a field of this kind takes. */
  readonly least: number
  read(from: Reader): V
  write(to: Writer, value: V): void
}

export type Values = Record<string, unknown>

/** Reads and writes the fields of one message. */
export interface Struct {
  read(from: Reader): Values
  write(to: Writer, values: Readonly<Values>): void
}

/**
 * Makes codecs of lists of fields, whose kinds are those of a protocol. Only here a field meets its kind.
 *
 * It is compiled: `{ fid: 'u32', mask: 'mask' }` becomes
 *
 *     read: (from) => { const fid = u32.read(from); const mask = mask.read(from); return { fid, mask } }
 *     write: (to, values) => { u32.write(to, values.fid); mask.write(to, values.mask) }
 *
 * A field whose name begins with `_` has no meaning: it is passed over, and is no part of the values.
 *
 * One loop for all messages would be one function to V8, which can then optimize neither for the kinds nor
 * for the shape of the values. Writing a Rgetattr took twice as long with it, and reading one eight times as
 * long. The compiled text contains only names from the table.
 */
export function structs<Name extends string>(
  kinds: Readonly<Record<Name, Kind<unknown>>>,
): (fields: Readonly<Record<string, Name>>) => Struct {
  return (fields) => struct(kinds, fields)
}

function struct(
  kinds: Readonly<Record<string, Kind<unknown>>>,
  fields: Readonly<Record<string, string>>,
): Struct {
  const entries = Object.entries(fields)
  const used = entries.filter(([name]) => !name.startsWith('_'))
  // The names of kinds and of fields have prefixes, because a field may be called like a kind.
  const read = entries.map(([name, kind]) =>
    name.startsWith('_') ? `k_${kind}.read(from)` : `const f_${name} = k_${kind}.read(from)`,
  )
  const made = used.map(([name]) => `${name}: f_${name}`)
  const write = entries.map(([name, kind]) => `k_${kind}.write(to, values.${name})`)
  // oxlint-disable-next-line typescript/no-implied-eval -- no text from outside
  const compile = new Function(
    ...Object.keys(kinds).map((kind) => `k_${kind}`),
    `return {
      read: (from) => { ${read.join('; ')}; return { ${made.join(', ')} } },
      write: (to, values) => { ${write.join('; ')} },
    }`,
  ) as (...codecs: readonly unknown[]) => Struct
  return compile(...Object.values(kinds))
}
