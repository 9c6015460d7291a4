/**
 * Parses the output of `systemctl show`: lines `Name=value`. The values of a property that comes several times, such as
 * ExecStart, are joined by newlines, and so are the lines of a value that has several.
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

/** The path of a unit's D-Bus object: the name is escaped as systemd's bus_label_escape() does it. */
export function unitPath(unit: string): string {
  const label = [...Buffer.from(unit)].map((byte, i) => {
    const char = String.fromCharCode(byte)
    const isPlain = i === 0 ? /[A-Za-z]/.test(char) : /[A-Za-z0-9]/.test(char)
    return isPlain ? char : `_${byte.toString(16).padStart(2, '0')}`
  })
  return `/org/freedesktop/systemd1/unit/${label.join('')}`
}
