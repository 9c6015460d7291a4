import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import type * as Swc from '@swc/wasm-typescript'

const require = createRequire(import.meta.url)

/** Whether Node takes the types out of TypeScript by itself, as it does from 22.18 on. */
const nodeStripsTypes = Boolean((process.features as { typescript?: unknown }).typescript)

/**
 * Whether an import that was not found is this package: a file of tests may be where nothing is
 * installed. Resolved from here a package's own name leads to itself.
 */
export function isOwnName(specifier: string, error: unknown): boolean {
  return (
    /^lowerdir(?:\/|$)/.test(specifier) &&
    (error as NodeJS.ErrnoException | undefined)?.code === 'ERR_MODULE_NOT_FOUND'
  )
}

/**
 * How a file of TypeScript is to be loaded; undefined for any other. It is an ES module whatever the nearest
 * package.json says, for `npm init` writes `"type": "commonjs"` for people who have never asked for it.
 */
export function typescriptFormat(url: string): 'commonjs' | 'module' | undefined {
  if (!url.startsWith('file:')) return undefined
  const ending = /\.([mc]?)ts$/.exec(new URL(url).pathname)
  if (ending === null) return undefined
  return ending[1] === 'c' ? 'commonjs' : 'module'
}

/** Node's own name for such a format, where it strips types by itself; undefined where that is for us to do. */
export function nodeFormat(format: 'commonjs' | 'module'): string | undefined {
  return nodeStripsTypes ? `${format}-typescript` : undefined
}

/**
 * Replaces types by blanks, so that all else stays where it is.
 *
 * @throws SyntaxError for what is no type and no JavaScript, such as enums: Node does not take those either.
 */
export function stripTypes(url: string, source: string | Uint8Array): string {
  // Only now, for it is large.
  const { transformSync } = require('@swc/wasm-typescript') as typeof Swc
  const filename = fileURLToPath(url)
  try {
    return transformSync(Buffer.from(source).toString(), { mode: 'strip-only', filename }).code
  } catch (error) {
    // What it throws is no Error, and says the rest in fields.
    const { message, startLine, snippet } = error as Readonly<Record<string, unknown>>
    const where = `${filename}:${String(startLine)}`
    throw new SyntaxError(`${where}: ${String(message)}\n${String(snippet)}`)
  }
}
