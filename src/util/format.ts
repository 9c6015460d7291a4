/** A time span for people: `45 ms`, `3.2 s`, `4 min 05 s`. */
export function duration(milliseconds: number): string {
  if (milliseconds < 999.5) return `${Math.round(milliseconds)} ms`
  const seconds = milliseconds / 1000
  if (seconds < 99.95) return `${seconds.toFixed(1)} s`
  const whole = Math.round(seconds)
  return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, '0')} s`
}

/** A moment within a test: seconds since its beginning. */
export function offset(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(milliseconds < 99_950 ? 2 : 1)} s`
}

/** A size in bytes for people: `812 B`, `3.4 KiB`, `12 MiB`, `4.0 GiB`. */
export function size(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`
  // From the value on that would be rounded to 1024 of the smaller unit.
  const unit = units.findLast(({ factor }) => bytes >= factor - factor / 2048) ?? KIB
  const value = bytes / unit.factor
  return `${value < 9.95 ? value.toFixed(1) : Math.round(value)} ${unit.name}`
}

const KIB = { name: 'KiB', factor: 2 ** 10 }
const units = [KIB, { name: 'MiB', factor: 2 ** 20 }, { name: 'GiB', factor: 2 ** 30 }]

/** How long ago something was, for people: `just now`, `5 min ago`, `3 h ago`, `2 days ago`. */
export function age(milliseconds: number): string {
  const minutes = Math.floor(milliseconds / 60_000)
  if (minutes < 1) return 'just now'
  if (minutes < 60) return `${minutes} min ago`
  const hours = Math.floor(minutes / 60)
  return hours < 48 ? `${hours} h ago` : `${Math.floor(hours / 24)} days ago`
}

/** `1 machine`, `2 machines`. */
export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}
