import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { expect, it } from 'vitest'
import { built } from '../support/ordinary-user.ts'

const folders = ['sys', 'tree/host', 'transport/stream', 'transport/vhost-user']
const modules = folders.flatMap((folder) =>
  readdirSync(new URL(built(folder)))
    .filter((name) => name.endsWith('.js'))
    .map((name) => built(`${folder}/${name}`)),
)

/** Loads the modules and prints how much memory they have made for system calls, and how much of it is gone. */
const script = `
  import { setImmediate as turn } from 'node:timers/promises'
  let made = 0
  const gone = []
  let laterOnesAreGone = 0
  const registry = new FinalizationRegistry((where) => where ? gone.push(where) : laterOnesAreGone++)
  globalThis.ArrayBuffer = class extends ArrayBuffer {
    constructor(size) {
      super(size)
      made++
      registry.register(this, new Error().stack)
    }
  }
  const loaded = []
  for (const module of ${JSON.stringify(modules)}) loaded.push(await import(module))
  // What is garbage before these are is collected before them, or with them.
  for (let later = 0; later < 3; later++) {
    (() => registry.register({}, ''))()
    while (laterOnesAreGone <= later) { gc(); await turn() }
  }
  console.log(JSON.stringify({ made, gone }))
`

// The kernel gets addresses, and an address keeps nothing alive. A variable that only the module's start uses
// is collected, and the kernel would write into memory that has another use by then.
it('memory that a module makes when it is loaded stays as long as the module', () => {
  const node = ['--expose-gc', '--input-type=module', '--eval', script]
  const { stdout, stderr } = spawnSync(process.execPath, node, { encoding: 'utf8' })
  expect(stderr).toBe('')
  const { made, gone } = JSON.parse(stdout) as { made: number; gone: string[] }
  expect(made).toBeGreaterThan(20)
  expect(gone).toEqual([])
})
