import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { CHILD } from '../../src/machine/reaper.ts'
import { RuntimeFolder } from '../../src/machine/runtime-folder.ts'
import { built } from './ordinary-user.ts'

/** A process, and the identity that a runtime folder gives it. */
export interface Running {
  readonly child: ChildProcess
  readonly identity: string
}

/** Processes with which tests look at runtime folders. It kills all of them in the end. */
export class FolderProcesses implements Disposable {
  readonly #children: ChildProcess[] = []

  /** A process that does nothing. */
  async sleep(): Promise<Running> {
    const child = this.own(spawn('sleep', ['1000']))
    await once(child, 'spawn')
    using folder = RuntimeFolder.create()
    folder.adopt(child.pid!)
    return { child, identity: readFileSync(folder.file(CHILD), 'utf8') }
  }

  /** The identity of a process that has ended. */
  async dead(): Promise<string> {
    const { child, identity } = await this.sleep()
    child.kill('SIGKILL')
    await once(child, 'exit')
    return identity
  }

  /** A process that has a reaper for what it leaves in `parent`, and does nothing else. */
  async withReaper(parent: string, identity: string): Promise<ChildProcess> {
    const program = `
      import { startReaper } from ${JSON.stringify(built('machine/reaper.js'))}
      startReaper(${JSON.stringify(parent)}, ${JSON.stringify(identity)})
      console.log('ready')
      setInterval(() => {}, 1000)`
    const child = this.own(spawn(process.execPath, ['--input-type=module', '-e', program]))
    await once(child.stdout, 'data')
    return child
  }

  /** Kills this one as well. */
  own<Child extends ChildProcess>(child: Child): Child {
    this.#children.push(child)
    return child
  }

  [Symbol.dispose](): void {
    for (const child of this.#children.splice(0)) child.kill('SIGKILL')
  }
}

/** What making a runtime folder does first. */
export function sweep(): void {
  RuntimeFolder.create()[Symbol.dispose]()
}

/** A folder with these files. */
export function makeFolder(path: string, files: Readonly<Record<string, string>>): string {
  mkdirSync(path)
  for (const [name, content] of Object.entries(files)) writeFileSync(join(path, name), content)
  return path
}
