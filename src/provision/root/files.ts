import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'

/** Writes files into a root with this mode, and makes their folders with mode 755, whatever the umask is. */
export async function writeFiles(
  root: string,
  files: Readonly<Record<string, string>>,
  mode = 0o644,
): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    const file = join(root, path)
    await makeFolder(dirname(file))
    await writeFile(file, text)
    await chmod(file, mode)
  }
}

async function makeFolder(folder: string): Promise<void> {
  const first = await mkdir(folder, { recursive: true })
  if (first === undefined) return
  for (let made = folder; made.length >= first.length; made = dirname(made))
    await chmod(made, 0o755)
}
