import type { Machine } from './machine.ts'
import { find, patternText } from './pattern.ts'
import { waitForOpenUnixSocket } from './waits/shell.ts'
import { type WaitOptions, waitForAnswer } from './waits/wait.ts'

/** Which X server, and as whom. */
export interface DisplayOptions {
  /** Its number. Default: 0. */
  readonly display?: number
  /** The user whom the server lets in. Default: root. */
  readonly user?: string
  /** That user's file with what the server wants to be told (Xauthority). Default: the user's own. */
  readonly authority?: string
}

/** Waits until an X server can be connected to. */
export async function waitForX(
  machine: Machine,
  { display = 0, ...options }: WaitOptions & Pick<DisplayOptions, 'display'>,
): Promise<void> {
  await waitForOpenUnixSocket(machine, `/tmp/.X11-unix/X${display}`, options)
}

/** The names of an X server's windows, which takes xwininfo in the guest. */
export async function getWindowNames(
  machine: Machine,
  { display = 0, user, authority }: DisplayOptions,
  signal?: AbortSignal,
): Promise<string[]> {
  const tree = await machine.succeed('xwininfo -root -tree', {
    env: {
      DISPLAY: `:${display}`,
      ...(authority === undefined ? {} : { XAUTHORITY: authority }),
    },
    ...(user === undefined ? {} : { user }),
    ...(signal === undefined ? {} : { signal }),
    quiet: true,
  })
  return windowNames(tree)
}

/** Waits for a window of a name; resolves with the name. */
export async function waitForWindow(
  machine: Machine,
  pattern: RegExp | string,
  options: WaitOptions & DisplayOptions,
): Promise<string> {
  let last: readonly string[] = []
  return waitForAnswer(
    machine.waiter,
    `a window ${patternText(pattern)}`,
    options,
    async (signal) => {
      last = await getWindowNames(machine, options, signal)
      return last.find((name) => find(name, pattern) !== undefined)
    },
    () => `there are: ${last.map((name) => `"${name}"`).join(', ') || 'none'}`,
  )
}

/**
 * The names in what `xwininfo -root -tree` prints: a line for each window, `0x20000c "xterm": ("xterm" "XTerm") …`;
 * of one without a name, `0x20000c (has no name): () …`.
 */
export function windowNames(tree: string): string[] {
  return [...tree.matchAll(/^ +0x[0-9a-f]+ "(.*)": \(/gm)].map(([, name = '']) => name)
}
