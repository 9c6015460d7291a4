/**
 * A size in MiB: a number of them, or text such as `512M` or `2G`.
 *
 * @throws RangeError for anything else, naming `what` it was to be.
 */
export function mebibytes(size: number | string, what: string): number {
  const match = /^(\d+)([MG]?)(i?B)?$/i.exec(String(size))
  const value = Number(match?.[1]) * (match?.[2]?.toUpperCase() === 'G' ? 1024 : 1)
  if (match === null || value < 1) {
    throw new RangeError(`${what}: ${size} is no size. Say a number of MiB, 512M or 2G.`)
  }
  return value
}
