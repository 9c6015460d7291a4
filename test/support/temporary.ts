import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach } from 'vitest'

const undo: (() => void)[] = []

afterEach(() => {
  for (let next = undo.pop(); next !== undefined; next = undo.pop()) next()
})

/** Does `action` when the test is over, the last one asked for first. */
export function afterwards(action: () => void): void {
  undo.push(action)
}

/** A directory of the test's own, gone when it is over. @param folder where it is made. */
export function temporaryDirectory(folder = tmpdir()): string {
  const path = realpathSync(mkdtempSync(join(folder, 'lowerdir-test-')))
  afterwards(() => rmSync(path, { recursive: true, force: true }))
  return path
}

/** Mounts a new file system at `path`, which is made, until the test is over; `size` is as for tmpfs(5). */
export function mountTmpfs(path: string, size = '50%'): void {
  needsRoot('mounts a tmpfs')
  mkdirSync(path, { recursive: true })
  execFileSync('mount', ['-t', 'tmpfs', '-o', `mode=755,size=${size}`, 'lowerdir-test', path])
  afterwards(() => execFileSync('umount', ['--lazy', path]))
}

/** An overlayfs at `path`, which is made, until the test is over. @returns its lower directory, which is made as well. */
export function mountOverlay(path: string): string {
  needsRoot('mounts an overlayfs')
  const [lower, upper, work] = ['lower', 'upper', 'work'].map((name) => `${path}-${name}`)
  for (const folder of [path, lower, upper, work]) mkdirSync(folder!, { recursive: true })
  const layers = `lowerdir=${lower},upperdir=${upper},workdir=${work}`
  execFileSync('mount', ['-t', 'overlay', '-o', layers, 'lowerdir-test', path])
  afterwards(() => execFileSync('umount', ['--lazy', path]))
  return lower!
}

/** Fails with the reason where the rest of the test could not tell right from wrong. */
export function needsRoot(what: string): void {
  if (process.getuid!() !== 0) throw new Error(`this test ${what}: run it as root`)
}
