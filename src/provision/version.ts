/** Orders versions by the numbers in them, so that 6.1.10 comes after 6.1.9. */
export function compareVersions(a: string, b: string): number {
  const left = numbersOf(a)
  const right = numbersOf(b)
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const difference = (left[i] ?? -1) - (right[i] ?? -1)
    if (difference !== 0) return difference
  }
  return 0
}

/**
 * A Debian version without its epoch: 7.2+dfsg-7 for 1:7.2+dfsg-7. Names of folders have none, because a
 * colon separates the entries of search paths and of QEMU's arguments.
 */
export function withoutEpoch(version: string): string {
  return version.replace(/^\d+:/, '')
}

function numbersOf(version: string): number[] {
  return (version.match(/\d+/g) ?? []).map(Number)
}
