let isListening = false

/**
 * Ends this process when it is a worker of Vitest's and that is gone: it would go on with its test otherwise, and its
 * machines with it. Elsewhere, and where a worker is a thread, there is nothing to do.
 */
export function endWithVitest(): void {
  if (isListening || process.env['VITEST'] === undefined || !process.connected) return
  isListening = true
  // oxlint-disable-next-line no-restricted-properties -- nobody is left to say anything to.
  process.once('disconnect', () => process.exit(1))
}
