// Loaded into the process of each test file before the file itself.

import { readFileSync } from 'node:fs'
import * as nodeModule from 'node:module'
import { beforeEach } from 'node:test'
import { isOwnName, nodeFormat, stripTypes, typescriptFormat } from './module-hooks.ts'

/** The synchronous hooks of Node 22.15 and newer, which Node's types for version 20 do not have. */
interface SyncHooks {
  resolve<C>(
    specifier: string,
    context: C,
    next: (specifier: string, context: C) => unknown,
  ): unknown
  load<C>(url: string, context: C, next: (url: string, context: C) => unknown): unknown
}

const hooks: SyncHooks = {
  resolve(specifier, context, next) {
    try {
      return next(specifier, context)
    } catch (error) {
      if (!isOwnName(specifier, error)) throw error
      return next(specifier, { ...context, parentURL: import.meta.url })
    }
  },

  load(url, context, next) {
    const format = typescriptFormat(url)
    if (format === undefined) return next(url, context)
    const own = nodeFormat(format)
    if (own !== undefined) return next(url, { ...context, format: own })
    return { format, source: stripTypes(url, readFileSync(new URL(url))), shortCircuit: true }
  },
}

const { register, registerHooks } = nodeModule as typeof nodeModule & {
  readonly registerHooks?: (hooks: SyncHooks) => void
}
// register() is deprecated from Node 26 on.
if (registerHooks === undefined) register('./async-hooks.js', import.meta.url)
else registerHooks(hooks)

// Lets the reporter say that a test has begun before the test runs, since it may keep this thread busy.
beforeEach(() => new Promise<void>((resolve) => setImmediate(resolve)))
