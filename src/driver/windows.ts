import type { Guest } from './guest.ts'
import { waitForOpenUnixSocket } from './waits/shell.ts'
import { type WaitOptions, find, patternText, waitForAnswer } from './waits/wait.ts'

/** An X server, and the user who connects to it. */
export interface DisplayOptions extends WaitOptions {
  /** The number of the display. Default: 0. */
  readonly display?: number
  /** A user of the guest who may connect. Default: root. */
  readonly user?: string
  /** The Xauthority file with the server's cookie. Default: the user's own. */
  readonly authority?: string
}

/** Waits until an X server listens. */
export async function waitForX(
  guest: Guest,
  { display = 0, ...options }: WaitOptions & Pick<DisplayOptions, 'display'>,
): Promise<void> {
  await waitForOpenUnixSocket(guest, `/tmp/.X11-unix/X${display}`, options)
}

/** The names of an X server's windows. The guest needs xwininfo. */
export async function getWindowNames(
  guest: Guest,
  { display = 0, user, authority, ...options }: DisplayOptions,
): Promise<string[]> {
  const tree = await guest.succeed('xwininfo -root -tree', {
    env: {
      DISPLAY: `:${display}`,
      ...(authority === undefined ? {} : { XAUTHORITY: authority }),
    },
    ...options,
    ...(user === undefined ? {} : { user }),
    quiet: true,
  })
  return windowNames(tree)
}

/** Waits for a window whose name matches, and resolves with the name. */
export async function waitForWindow(
  guest: Guest,
  pattern: RegExp | string,
  options: DisplayOptions,
): Promise<string> {
  let last: readonly string[] = []
  return waitForAnswer(
    guest,
    `a window ${patternText(pattern)}`,
    options,
    async (signal) => {
      last = await getWindowNames(guest, { ...options, timeout: undefined, signal })
      return last.find((name) => find(name, pattern) !== undefined)
    },
    () => `there are: ${last.map((name) => `"${name}"`).join(', ') || 'none'}`,
  )
}

/**
 * The names in the output of `xwininfo -root -tree`, which has a line for each window:
 * `0x20000c "xterm": ("xterm" "XTerm") …`, or `0x20000c (has no name): () …`.
 */
export function windowNames(tree: string): string[] {
  return [...tree.matchAll(/^ +0x[0-9a-f]+ "(.*)": \(/gm)].map(([, name = '']) => name)
}
