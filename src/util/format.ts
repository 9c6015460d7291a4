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

/** A size in bytes for people: `812 B`, `3.4 KiB`, `12 MiB`. */
export function size(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`
  const isSmall = bytes < 1024 * 1024
  const value = bytes / (isSmall ? 1024 : 1024 * 1024)
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${isSmall ? 'KiB' : 'MiB'}`
}

/** `1 machine`, `2 machines`. */
export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}
