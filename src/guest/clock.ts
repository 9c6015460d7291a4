/**
 * Sets the guest's clock, as the last thing that a shell does. busybox's date(1) knows no fractions of a second, so it
 * takes two steps. This first one is behind by what is left of the second.
 *
 * @param seconds since the epoch.
 */
export function clockScript(seconds: number): string {
  return `exec date -s @${seconds}\n`
}

/**
 * The second step, for the agent, at the beginning of a second: if the clock is still what the first one has made it.
 *
 * @param seconds since the epoch.
 */
export function clockScriptOnTheSecond(seconds: number): string {
  return `[ "$(date +%s)" != ${seconds - 1} ] || date -s @${seconds} >/dev/null\n`
}
