import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import type * as Swc from '@swc/wasm-typescript'

const require = createRequire(import.meta.url)

/** Whether Node removes types from TypeScript by itself, as it does from 22.18 on. */
const nodeStripsTypes = Boolean((process.features as { typescript?: unknown }).typescript)

/**
 * Whether an import that was not found is this package, as in a test file outside of any project that has it
 * installed. The hooks then resolve the name from this file, where a package's own name leads to itself.
 */
export function isOwnName(specifier: string, error: unknown): boolean {
  return (
    /^lowerdir(?:\/|$)/.test(specifier) &&
    (error as NodeJS.ErrnoException | undefined)?.code === 'ERR_MODULE_NOT_FOUND'
  )
}

/**
 * The module format of a TypeScript file; undefined for any other file. A .ts file is an ES module whatever the nearest
 * package.json says, since `npm init` writes `"type": "commonjs"` unasked.
 */
export function typescriptFormat(url: string): 'commonjs' | 'module' | undefined {
  if (!url.startsWith('file:')) return undefined
  const ending = /\.([mc]?)ts$/.exec(new URL(url).pathname)
  if (ending === null) return undefined
  return ending[1] === 'c' ? 'commonjs' : 'module'
}

/** Node's own name for this format of TypeScript; undefined where Node does not remove types, so that the hook has to. */
export function nodeFormat(format: 'commonjs' | 'module'): string | undefined {
  return nodeStripsTypes ? `${format}-typescript` : undefined
}

/**
 * Replaces types by blanks, so that lines and columns stay the same.
 *
 * @throws SyntaxError for TypeScript that is neither a type nor JavaScript, such as an enum; Node refuses that too.
 */
export function stripTypes(url: string, source: string | Uint8Array): string {
  // Loaded on demand, since it is large.
  const { transformSync } = require('@swc/wasm-typescript') as typeof Swc
  const filename = fileURLToPath(url)
  try {
    return transformSync(Buffer.from(source).toString(), { mode: 'strip-only', filename }).code
  } catch (error) {
    // For a mistake in the source, swc throws a plain object that has the message and the place.
    if (error instanceof Error) throw error
    const { message, startLine, snippet } = error as Readonly<Record<string, unknown>>
    const where = `${filename}:${String(startLine)}`
    throw new SyntaxError(`${where}: ${String(message)}\n${String(snippet)}`)
  }
}
