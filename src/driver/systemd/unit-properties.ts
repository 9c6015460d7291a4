/**
 * Reads what `systemctl show` prints: `Name=value` lines. A property that comes several times, as ExecStart does, has its
 * values on lines of their own, and so has one whose value goes on behind the end of its line.
 */
export function parseProperties(text: string): Record<string, string> {
  const properties = new Map<string, string>()
  let last: string | undefined
  for (const line of text.replace(/\n$/, '').split('\n')) {
    const [, name, value = ''] = /^([A-Za-z][A-Za-z0-9]*)=(.*)$/s.exec(line) ?? []
    const before = properties.get(name ?? last ?? '')
    if (name !== undefined) {
      properties.set(name, before === undefined ? value : `${before}\n${value}`)
      last = name
    } else if (last !== undefined) {
      properties.set(last, `${before}\n${line}`)
    }
  }
  return Object.fromEntries(properties)
}

/** The path of a unit's D-Bus object, as systemd's bus_label_escape() makes it of its name. */
export function unitPath(unit: string): string {
  const label = [...Buffer.from(unit)].map((byte, i) => {
    const char = String.fromCharCode(byte)
    const isPlain = i === 0 ? /[A-Za-z]/.test(char) : /[A-Za-z0-9]/.test(char)
    return isPlain ? char : `_${byte.toString(16).padStart(2, '0')}`
  })
  return `/org/freedesktop/systemd1/unit/${label.join('')}`
}
