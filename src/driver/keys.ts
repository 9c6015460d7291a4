/**
 * The keys of a US keyboard that have characters on them: QEMU's name of the key (QKeyCode of qapi/ui.json), and
 * its characters without and with shift.
 */
const PRINTED: readonly (readonly [key: string, plain: string, shifted: string])[] = [
  ...Array.from('abcdefghijklmnopqrstuvwxyz', (c) => [c, c, c.toUpperCase()] as const),
  ...Array.from(')!@#$%^&*(', (shifted, digit) => [`${digit}`, `${digit}`, shifted] as const),
  ['minus', '-', '_'],
  ['equal', '=', '+'],
  ['bracket_left', '[', '{'],
  ['bracket_right', ']', '}'],
  ['backslash', '\\', '|'],
  ['semicolon', ';', ':'],
  ['apostrophe', "'", '"'],
  ['grave_accent', '`', '~'],
  ['comma', ',', '<'],
  ['dot', '.', '>'],
  ['slash', '/', '?'],
]

/** Characters that are keys of their own. */
const CONTROLS: Readonly<Record<string, string>> = {
  ' ': 'spc',
  '\n': 'ret',
  '\r': 'ret',
  '\t': 'tab',
  '\b': 'backspace',
  '\u007F': 'backspace',
  '\u001B': 'esc',
}

/** What else people call keys. */
const ALIASES: Readonly<Record<string, string>> = {
  control: 'ctrl',
  del: 'delete',
  enter: 'ret',
  escape: 'esc',
  meta: 'meta_l',
  pagedown: 'pgdn',
  pageup: 'pgup',
  return: 'ret',
  space: 'spc',
  super: 'meta_l',
}

/** A key for QEMU (KeyValue of qapi/ui.json): by name, or by the number that a PC's keyboard has for it. */
export type Key =
  | { readonly type: 'qcode'; readonly data: string }
  | { readonly type: 'number'; readonly data: number }

const characters = new Map<string, readonly string[]>([
  ...PRINTED.flatMap(
    ([key, plain, shifted]) =>
      [
        [plain, [key]],
        [shifted, ['shift', key]],
      ] as const,
  ),
  ...Object.entries(CONTROLS).map(([character, key]) => [character, [key]] as const),
])

/**
 * The keys that make a character, to be held in this order.
 *
 * @throws RangeError for one that a US keyboard has not got.
 */
export function keysOfCharacter(character: string): Key[] {
  const keys = characters.get(character)
  if (keys !== undefined) return keys.map(byName)
  throw new RangeError(
    `No key of a US keyboard makes the character ${JSON.stringify(character)}. ` +
      'Text of any kind gets into the guest with `writeFile` or the stdin of `exec`.',
  )
}

/**
 * The keys of a combination such as `ctrl-alt-delete`, to be held in this order. A part of it is a key's name, a
 * character, or a number such as 0x0c. Whether there is a key of that name is for QEMU to say.
 */
export function keysOfCombination(combination: string): Key[] {
  if (combination === '') throw new RangeError('An empty text names no key.')
  if (characters.has(combination)) return keysOfCharacter(combination)
  return combination.split('-').flatMap((part) => {
    if (/^0x[0-9a-f]+$/i.test(part)) return [{ type: 'number', data: Number(part) } as const]
    if (Array.from(part).length === 1) return keysOfCharacter(part)
    const name = part.toLowerCase()
    return [byName(ALIASES[name] ?? name)]
  })
}

function byName(data: string): Key {
  return { type: 'qcode', data }
}
