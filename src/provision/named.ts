/** The environment variables that name a part, for those who do not want to do it on every call. */
const VARIABLES = {
  qemu: 'LOWERDIR_QEMU',
  busybox: 'LOWERDIR_BUSYBOX',
  kernel: 'LOWERDIR_KERNEL',
} as const

/** What the user named for a part: with an option, else with the environment. */
export function namedPath(
  part: keyof typeof VARIABLES,
  option: string | undefined,
): string | undefined {
  return option ?? (process.env[VARIABLES[part]] || undefined)
}
