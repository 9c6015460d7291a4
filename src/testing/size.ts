import type { BootOptions } from './options.ts'

/** A machine's memory in MiB. @throws RangeError for what is no size. */
export function memoryMiB({ memory = 1024 }: Pick<BootOptions, 'memory'>): number {
  return mebibytes(memory, 'memory')
}

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
  const match = /^(\d+)([MG]?)(i?B)?$/i.exec(text)
  if (match === null) return undefined
  return Number(match[1]) * (match[2]?.toUpperCase() === 'G' ? 1024 : 1)
}
