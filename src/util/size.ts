/**
 * A size in MiB: a number of them, or text such as `512M` or `2G`.
 *
 * @throws RangeError for anything else, naming `what` it was to be.
 */
export function mebibytes(size: number | string, what: string): number {
  const value = parseMebibytes(String(size))
  if (value === undefined || value < 1) {
    throw new RangeError(`${what}: ${size} is no size. Say a number of MiB, 512M or 2G.`)
  }
  return value
}

/** `512M`, `2G`, or a plain number of MiB, in MiB; undefined for anything else. */
export function parseMebibytes(text: string): number | undefined {
  return parseSize(text, { '': 1, M: 1, G: 1024 })
}

/** `64K`, `1M`, or a plain number of bytes, in bytes; undefined for anything else. */
export function parseBytes(text: string): number | undefined {
  return parseSize(text, { '': 1, K: 2 ** 10, M: 2 ** 20 })
}

/** A whole number and one of `units`, which are letters or nothing; `512MB` and `512MiB` are `512M`. */
function parseSize(text: string, units: Readonly<Record<string, number>>): number | undefined {
  const [, number, unit = ''] = /^(\d+)([KMG]?)(?:i?B)?$/i.exec(text) ?? []
  const factor = units[unit.toUpperCase()]
  return number === undefined || factor === undefined ? undefined : Number(number) * factor
}
