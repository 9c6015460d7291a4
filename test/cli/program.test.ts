import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { temporaryDirectory } from '../support/temporary.ts'

const clone = fileURLToPath(new URL('../..', import.meta.url))
const program = join(clone, 'bin/lowerdir')

interface Manifest {
  readonly version: string
  readonly bin: Readonly<Record<string, string>>
}

const manifest = JSON.parse(readFileSync(join(clone, 'package.json'), 'utf8')) as Manifest

describe('bin/lowerdir', () => {
  it('is the program of the package, also through a symlink as `npm link` makes it', () => {
    expect(manifest.bin).toEqual({ lowerdir: 'bin/lowerdir', virtiofsd: 'bin/virtiofsd' })
    const link = join(temporaryDirectory(), 'lowerdir')
    symlinkSync(program, link)
    for (const path of [program, link]) {
      const { status, stdout } = spawnSync(path, ['--version'], { cwd: '/', encoding: 'utf8' })
      expect({ status, stdout }).toEqual({ status: 0, stdout: `${manifest.version}\n` })
    }
  })

  it('says what to do in a clone that is not built', () => {
    const folder = temporaryDirectory()
    cpSync(program, join(folder, 'bin/lowerdir'))
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
    const { status, stderr } = spawnSync(join(folder, 'bin/lowerdir'), ['run'], {
      encoding: 'utf8',
    })
    expect(status).toBe(125)
    expect(stderr).toContain(`${folder}/dist/cli/main.js is missing`)
    expect(stderr).toContain('npm install')
  })

  it('is one process: a signal to it ends the server', async () => {
    const folder = temporaryDirectory()
    const socket = join(folder, 'socket')
    const child = spawn(program, ['serve', folder, '--listen', `unix:${socket}`], {
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    const ended = once(child, 'close')
    // It prints the mount lines once it listens.
    await once(child.stdout, 'data')
    expect(existsSync(socket)).toBe(true)
    child.kill('SIGTERM')
    await ended
    expect(existsSync(socket)).toBe(false)
  })
})
