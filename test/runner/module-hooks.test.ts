import { pathToFileURL } from 'node:url'
import { describe, expect, it } from 'vitest'
import { isOwnName, stripTypes, typescriptFormat } from '../../src/runner/module-hooks.ts'

const url = 'file:///tests/a%20b/x.vm.test.ts'

describe('TypeScript', () => {
  it('loses its types, and nothing moves', () => {
    const source = `interface A { readonly b: number }\nconst a: A = { b: 1 } as const\nexport type { A }\n`
    const stripped = stripTypes(url, Buffer.from(source))
    expect(stripped.length).toBe(source.length)
    expect(stripped.indexOf('= { b: 1 }')).toBe(source.indexOf('= { b: 1 }'))
    expect(stripped).not.toMatch(/interface|const a:|as const|type/)
  })

  it.each([
    ['const a = 1\nenum E { x }', 2, 'enum'],
    ['namespace N { export const a = 1 }', 1, 'namespace'],
    ['const = 1', 1, 'Unexpected token'],
  ])('that is more than types is an error which says where: %j', (source, line, word) => {
    expect(() => stripTypes(url, source)).toThrow(SyntaxError)
    expect(() => stripTypes(url, source)).toThrow(`/tests/a b/x.vm.test.ts:${line}: `)
    expect(() => stripTypes(url, source)).toThrow(word)
  })

  it.each([
    ['file:///a.ts', 'module'],
    ['file:///a.mts?x=1', 'module'],
    ['file:///a.cts', 'commonjs'],
    ['file:///a.js', undefined],
    ['file:///a.ts.js', undefined],
    ['node:fs', undefined],
    ['data:text/javascript,a.ts', undefined],
  ])('%s is loaded as %s', (name, format) => expect(typescriptFormat(name)).toBe(format))
})

describe('an import that was not found', () => {
  const missing = { code: 'ERR_MODULE_NOT_FOUND' }
  it.each([
    ['lowerdir', missing, true],
    ['lowerdir/9p', missing, true],
    ['lowerdirs', missing, false],
    ['./lowerdir', missing, false],
    [pathToFileURL('/lowerdir').href, missing, false],
    ['lowerdir', { code: 'ERR_PACKAGE_PATH_NOT_EXPORTED' }, false],
    ['lowerdir', undefined, false],
  ])('%s (%j) is our own: %s', (specifier, error, expected) => {
    expect(isOwnName(specifier, error)).toBe(expected)
  })
})
