/** The goals, for emulated guests as well. */
export const goals = {
  /** Seconds from the call of restore to the end of the first command, for a machine of 512 MiB. */
  restoreSeconds: 0.5,
  /** How many times as fast as a boot that has to be. */
  restoreRatio: 20,
  /** The median time of a command that does nothing, in milliseconds. */
  roundTripMilliseconds: 15,
} as const
