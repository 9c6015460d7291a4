/** The printed keys of a US keyboard: QEMU's name (QKeyCode of qapi/ui.json), the character, and the one with shift. */
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

/** Characters with a key of their own. */
const CONTROLS: Readonly<Record<string, string>> = {
  ' ': 'spc',
  '\n': 'ret',
  '\r': 'ret',
  '\t': 'tab',
  '\b': 'backspace',
  '\u007F': 'backspace',
  '\u001B': 'esc',
}

/** Other usual names of keys. */
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

/** A key for QEMU (KeyValue of qapi/ui.json): by its name, or by its scan code on a PC's keyboard. */
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
 * The keys that type a character, in the order in which they go down.
 *
 * @throws RangeError for a character that a US keyboard does not have.
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
 * The keys of a combination such as `ctrl-alt-delete`, in the order in which they go down. A part is the name of a key, a
 * character, or a scan code such as 0x0c. QEMU refuses names that it does not know.
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
