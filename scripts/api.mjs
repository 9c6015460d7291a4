// The report of the package's public face: docs/api-report/ has a file for each entry of package.json's `exports`, with
// the signature of each public symbol. A change of the face is a change of these files, and so is seen in review.
//
//   npm run api             writes the report
//   npm run api -- --check  fails where the report differs from the built declarations
//
// A type that a public signature names must be exported by one of the entries; otherwise this script fails. It reads
// dist/**/*.d.ts, so build first.

import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { SyntaxKind } from 'typescript/unstable/ast'
import { API, SymbolFlags } from 'typescript/unstable/sync'

const root = fileURLToPath(new URL('..', import.meta.url))
const dist = join(root, 'dist')
const folder = join(root, 'docs/api-report')
const config = join(root, '.cache/api/tsconfig.json')

const entries = readEntries()
const { project, close } = openProject(entries.map(({ file }) => file))
const { program, checker } = project

/** By the name of its entry, what each exported name stands for. */
const faces = new Map(entries.map(({ name, file }) => [name, exportsOf(file)]))
/** The declarations that an entry exports, by their place. */
const exported = new Set([...faces.values()].flatMap((face) => [...face.values()].flatMap(places)))
const forgotten = new Set()
const report = new Map([...faces].map(([name, face]) => [fileName(name), describe(name, face)]))
close()

if (forgotten.size > 0) {
  console.error('Public signatures name types that no entry of package.json exports:')
  for (const line of inOrder(forgotten)) console.error(`  ${line}`)
  process.exitCode = 1
} else if (process.argv.includes('--check')) {
  const changed = [...new Set([...report.keys(), ...written()])].filter(
    (file) => read(join(folder, file)) !== report.get(file),
  )
  if (changed.length > 0) {
    console.error(
      `The public face has changed (docs/api-report: ${changed.join(', ')}). Where that is meant, run \`npm run api\` and commit its files.`,
    )
    process.exitCode = 1
  }
} else {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  for (const [file, text] of report) writeFileSync(join(folder, file), text)
}

/** The entries of package.json that have declarations. */
function readEntries() {
  const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  return Object.entries(exports)
    .filter(([, target]) => target.endsWith('.js'))
    .map(([path, target]) => ({
      name: join('lowerdir', path),
      file: join(root, target.replace(/\.js$/, '.d.ts')),
    }))
}

function fileName(entry) {
  return `${entry.replaceAll('/', '-')}.md`
}

/** Opens the declarations in TypeScript. */
function openProject(files) {
  mkdirSync(join(config, '..'), { recursive: true })
  const compilerOptions = { module: 'nodenext', target: 'es2022', types: ['node'], noEmit: true }
  const lib = ['es2023', 'esnext.disposable']
  writeFileSync(config, JSON.stringify({ compilerOptions: { ...compilerOptions, lib }, files }))
  const api = new API({ cwd: root })
  const snapshot = api.updateSnapshot({ openProjects: [config] })
  return { project: snapshot.getProject(config), close: () => api.close() }
}

/** What a module exports, by name, with aliases followed. */
function exportsOf(file) {
  const source = program.getSourceFile(file)
  if (!source) throw new Error(`${relative(root, file)} is missing. Run \`npm run build\` first.`)
  const module = checker.getSymbolAtLocation(source)
  return new Map(checker.getExportsOfModule(module).map((symbol) => [symbol.name, follow(symbol)]))
}

/** The symbol that an import or a re-export stands for. */
function follow(symbol) {
  return (symbol.flags & SymbolFlags.Alias) === 0 ? symbol : checker.getAliasedSymbol(symbol)
}

/** Where a symbol is declared; of a namespace (`export * as`), where all that is in it is. */
function places(symbol) {
  const own = symbol.declarations.map(({ path, index }) => `${path}:${index}`)
  if (!isNamespace(symbol)) return own
  return [...own, ...checker.getExportsOfModule(symbol).map(follow).flatMap(places)]
}

function isNamespace(symbol) {
  return (symbol.flags & SymbolFlags.ValueModule) !== 0
}

function describe(entry, face) {
  const parts = [...face]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, symbol]) => signature(name, symbol))
  return `# ${entry}\n\nWritten by \`npm run api\`. Do not edit.\n\n${parts.join('\n')}`
}

/** A symbol's declarations, without comments; then those of constants that its types are made of (`typeof x`). */
function signature(name, symbol) {
  const constants = new Set()
  const symbols = isNamespace(symbol) ? checker.getExportsOfModule(symbol).map(follow) : [symbol]
  const lines = symbols.flatMap((each) => declarations(name, each, constants))
  return `## ${name}\n\n\`\`\`ts\n${[...inOrder(lines), ...constants].join('\n')}\n\`\`\`\n`
}

function declarations(name, symbol, constants) {
  return symbol.declarations
    .filter(({ path }) => path.startsWith(dist))
    .map((handle) => {
      const node = handle.resolve(project)
      checkReferences(name, node, constants)
      return textOf(node)
    })
}

function textOf(node) {
  return withoutComments(statementOf(node).getText())
}

function statementOf(node) {
  return node.kind === SyntaxKind.VariableDeclaration ? node.parent.parent : node
}

function withoutComments(text) {
  return text
    .replaceAll(/\/\*\*[\s\S]*?\*\/\s*/g, '')
    .replaceAll(/^ *#private;\n/gm, '')
    .replaceAll(/^export /gm, '')
}

/** Notes each type of ours that a declaration names and that no entry exports. Adds the text of constants. */
function checkReferences(name, node, constants) {
  if (node.kind === SyntaxKind.Identifier) {
    const found = checker.getSymbolAtLocation(node)
    const symbol = found && follow(found)
    for (const handle of symbol?.declarations ?? []) {
      if (!handle.path.startsWith(dist)) continue
      const declaration = handle.resolve(project)
      if (statementOf(declaration)?.parent?.kind !== SyntaxKind.SourceFile) continue
      if (exported.has(`${handle.path}:${handle.index}`)) continue
      if (declaration.kind === SyntaxKind.VariableDeclaration) constants.add(textOf(declaration))
      else forgotten.add(`${name}: ${symbol.name} (${relative(root, handle.path)})`)
    }
  }
  // It stops at a child for which the callback returns a value.
  node.forEachChild((child) => {
    checkReferences(name, child, constants)
  })
}

/** Texts in the order of their code units, which no locale changes. */
function inOrder(texts) {
  return [...texts].toSorted((a, b) => (a < b ? -1 : Number(a > b)))
}

function written() {
  try {
    return readdirSync(folder)
  } catch (error) {
    if (error.code === 'ENOENT') return []
    throw error
  }
}

function read(path) {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (error.code === 'ENOENT') return undefined
    throw error
  }
}
