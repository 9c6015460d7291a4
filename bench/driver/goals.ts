/** What is to be reached, also where guests are emulated. */
export const goals = {
  /** A machine of 512 MiB takes its first command so soon after a restore is asked for. */
  restoreSeconds: 0.5,
  /** So many times sooner than one that boots. */
  restoreRatio: 20,
  /** A command that does nothing takes so long, half of the time. */
  roundTripMilliseconds: 15,
} as const
