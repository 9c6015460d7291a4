// Module hooks for Node before 22.15: asynchronous, in a thread of their own. None of these versions removes types
// by itself.

import { readFile } from 'node:fs/promises'
import type { LoadHook, ResolveHook } from 'node:module'
import { isOwnName, stripTypes, typescriptFormat } from './module-hooks.ts'

export const resolve: ResolveHook = async (specifier, context, next) => {
  try {
    return await next(specifier, context)
  } catch (error) {
    if (!isOwnName(specifier, error)) throw error
    return next(specifier, { ...context, parentURL: import.meta.url })
  }
}

export const load: LoadHook = async (url, context, next) => {
  const format = typescriptFormat(url)
  if (format === undefined) return next(url, context)
  const source = stripTypes(url, await readFile(new URL(url)))
  return { format, source, shortCircuit: true }
}
