// Which room of src/ may import which: the table is the rule, the linter enforces it.
//
// A room is a folder of src/ with all that is in it, or a single file beside the folders. Every
// import counts, also one of types only and one spelled `import()`. A room without a row may not be.

import { dirname, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const src = fileURLToPath(new URL('../src/', import.meta.url))

/**
 * `rooms`: the other rooms, or files and folders of them, that this room may import.
 * `packages`: the npm packages that it may import. `pure`: it may not even import Node's modules.
 *
 * @type {Record<string, { rooms: string[], packages?: string[], pure?: true }>}
 */
const table = {
  util: { rooms: [] },
  sys: { rooms: ['util'], packages: ['koffi'] },
  tree: { rooms: ['util', 'sys', '9p/wire'] },
  '9p': { rooms: ['util', 'sys', 'tree/tree.ts', 'tree/parked.ts'] },
  transport: { rooms: ['util', 'sys', 'tree', '9p', 'server'] },
  server: { rooms: ['util', 'sys', 'tree', '9p', 'transport'] },
  guest: { rooms: ['util', 'sys'] },
  provision: { rooms: ['util', 'sys', 'guest'] },
  network: { rooms: ['util', 'sys'] },
  machine: { rooms: ['util', 'sys', 'tree', '9p', 'transport', 'server', 'provision', 'guest'] },
  record: { rooms: ['util'] },
  driver: {
    rooms: ['util', 'sys', 'tree', '9p', 'provision', 'guest', 'machine', 'network', 'record'],
  },
  report: { rooms: ['util', 'record'] },
  runner: {
    rooms: ['util', 'report', 'record'],
    packages: ['@swc/wasm-typescript'],
  },
  cli: { rooms: ['*'] },
  'index.ts': { rooms: ['*'] },
  'vitest.ts': { rooms: ['util', 'driver', 'record'], packages: ['vitest'] },
}

/** Where a program comes in. Nothing inside imports them, whatever its row says. */
const doors = new Set(['cli', 'index.ts', 'vitest.ts'])

/** What is wrong with the import of `specifier` in `file`, a path in src/; undefined if it is right. */
function complaint(file, specifier) {
  const room = roomOf(file)
  const row = table[room] ?? { rooms: [] }
  if (specifier.startsWith('node:')) {
    return row.pure ? `src/${room} is pure: it may not import Node's modules` : undefined
  }
  if (!specifier.startsWith('.')) {
    return row.packages?.includes(specifier)
      ? undefined
      : `src/${room} may not import the package ${specifier}`
  }

  const target = relative(src, resolve(src, dirname(file), specifier))
  const targetRoom = roomOf(target)
  if (targetRoom === room) return undefined
  if (targetRoom === '..') return 'src/ imports nothing from outside of src/'
  if (doors.has(targetRoom)) return `nothing imports src/${targetRoom}`
  if (row.rooms.some((each) => each === '*' || isWithin(target, each))) return undefined
  const allowed = row.rooms.length > 0 ? `only ${row.rooms.join(', ')}` : 'no other room'
  return `src/${room} may not import src/${target}, ${allowed}`
}

function isWithin(path, place) {
  return path === place || path.startsWith(`${place}/`)
}

function roomOf(path) {
  return path.split('/', 1)[0]
}

const importDirection = {
  create(context) {
    const file = relative(src, context.filename)
    const check = (source) => {
      const specifier = source?.value ?? source?.quasis?.[0]?.value.cooked
      // A computed import() has no name, and `export {}` has no source.
      if (typeof specifier !== 'string') return
      const message = complaint(file, specifier)
      if (message) context.report({ node: source, message })
    }
    return {
      Program(node) {
        if (roomOf(file) in table) return
        context.report({ node, message: `src/${roomOf(file)} has no row in scripts/rooms.mjs` })
      },
      ImportDeclaration: (node) => check(node.source),
      ExportNamedDeclaration: (node) => check(node.source),
      ExportAllDeclaration: (node) => check(node.source),
      ImportExpression: (node) => check(node.source),
      TSImportType: (node) => check(node.source),
    }
  },
}

export default { meta: { name: 'rooms' }, rules: { 'import-direction': importDirection } }
