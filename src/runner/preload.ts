// Loaded into the process of each file of tests before the file itself.

import { readFileSync } from 'node:fs'
import * as nodeModule from 'node:module'
import { beforeEach } from 'node:test'
import { isOwnName, nodeFormat, stripTypes, typescriptFormat } from './module-hooks.ts'

/** Synchronous hooks, of which Node's types for version 20 do not know. */
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
// Node 26 warns of the older way.
if (registerHooks === undefined) register('./async-hooks.js', import.meta.url)
else registerHooks(hooks)

// A test may keep this thread busy from its first moment on: before that, the reporter says that it has begun.
beforeEach(() => new Promise<void>((resolve) => setImmediate(resolve)))
