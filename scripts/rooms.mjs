// Which room of src/ may import which: the table is the rule, the linter enforces it.
//
// A room is a folder of src/ with all that is in it, or a single file beside the folders. Every
// import counts, also one of types only and one spelled `import()`. Each room needs a row. A file
// or a folder inside of a room can have a row too, which adds to what its room may import.

import { existsSync } from 'node:fs'
import { dirname, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const src = fileURLToPath(new URL('../src/', import.meta.url))

/** The files of tree/ that are its interface: what sessions know of it. */
const treeInterface = [
  'tree/attributes.ts',
  'tree/deferred.ts',
  'tree/directory.ts',
  'tree/flags.ts',
  'tree/groups.ts',
  'tree/limits.ts',
  'tree/locks.ts',
  'tree/tree.ts',
  'tree/try-again.ts',
]

/**
 * `rooms`: the other rooms, or files and folders of them, that this room may import.
 * `packages`: the npm packages that it may import. `pure`: it may not even import Node's modules.
 * `first`: the file in the room that a newcomer opens first. It begins with a doc comment, whose
 * first paragraph says in one sentence what the room is.
 *
 * @type {Record<string, { rooms: string[], packages?: string[], pure?: true, first?: string }>}
 */
const table = {
  util: { first: 'error.ts', rooms: [] },
  sys: { first: 'ffi.ts', rooms: [], packages: ['koffi'] },
  tree: { first: 'tree.ts', rooms: ['util', 'sys'] },
  // What codecs are made of, for any runtime.
  wire: { first: 'cursor.ts', rooms: ['sys'], pure: true },
  session: {
    first: 'session-limits.ts',
    rooms: ['util', 'sys', 'wire', ...treeInterface, '9p/wire/limits.ts'],
  },
  '9p': {
    first: 'session.ts',
    rooms: ['util', 'sys', 'wire', 'session', ...treeInterface],
  },
  // The protocol alone, for any runtime.
  '9p/wire': { rooms: [], pure: true },
  fuse: {
    first: 'session.ts',
    rooms: ['util', 'sys', 'wire', 'session', ...treeInterface, 'tree/later.ts'],
  },
  // The protocol alone, for any runtime.
  'fuse/wire': { rooms: [], pure: true },
  transport: { first: 'event-loop.ts', rooms: ['util', 'sys'] },
  // These speak a protocol's messages. The rest of the room knows no protocol.
  'transport/stream': { rooms: ['9p', 'wire', 'session', 'tree/tree.ts'] },
  'transport/vhost-user/session-chain.ts': { rooms: ['wire'] },
  'transport/vhost-user/p9-device.ts': { rooms: ['9p', 'wire', 'session', 'tree/tree.ts'] },
  'transport/vhost-user/fs-device.ts': {
    rooms: ['fuse', 'wire', 'session', 'tree/tree.ts', 'tree/later.ts'],
  },
  server: {
    first: 'engine.ts',
    rooms: ['util', 'sys', 'tree', 'session', '9p', 'fuse', 'transport'],
  },
  guest: { first: 'init.ts', rooms: ['util'] },
  provision: { first: 'inventory.ts', rooms: ['util', 'guest'] },
  network: { first: 'switch.ts', rooms: ['util'] },
  machine: {
    first: 'plan.ts',
    rooms: ['util', 'sys', 'tree', 'session', '9p', 'transport', 'server', 'provision', 'guest'],
  },
  record: { first: 'event.ts', rooms: ['util'] },
  driver: {
    first: 'machine.ts',
    rooms: ['util', 'sys', 'tree', 'provision', 'guest', 'machine', 'network', 'record'],
  },
  report: { first: 'page.ts', rooms: ['util', 'record'] },
  runner: {
    first: 'run-files.ts',
    rooms: ['util', 'report'],
    packages: ['@swc/wasm-typescript'],
  },
  cli: { first: 'main.ts', rooms: ['*'] },
  'index.ts': { rooms: ['*'] },
  'vitest.ts': { rooms: ['driver', 'record'], packages: ['vitest'] },
}

/** Where programs enter src/. Nothing in src/ imports these, not even a room whose row says '*'. */
const doors = new Set(['cli', 'index.ts', 'vitest.ts'])

for (const [room, { first }] of Object.entries(table)) {
  if (first === undefined && !room.includes('/') && !room.endsWith('.ts')) {
    throw new Error(`scripts/rooms.mjs does not say which file of src/${room} to open first`)
  }
  if (first !== undefined && !existsSync(`${src}${room}/${first}`)) {
    throw new Error(`scripts/rooms.mjs names src/${room}/${first}, which does not exist`)
  }
}

/** Why `file`, a path in src/, may not import `specifier`; undefined if it may. */
function complaint(file, specifier) {
  const room = roomOf(file)
  const { rooms, packages, pure } = rightsOf(file)
  if (specifier.startsWith('node:')) {
    return pure ? `src/${room} is pure: it may not import Node's modules` : undefined
  }
  if (!specifier.startsWith('.')) {
    return packages.includes(specifier)
      ? undefined
      : `src/${room} may not import the package ${specifier}`
  }

  const target = relative(src, resolve(src, dirname(file), specifier))
  const targetRoom = roomOf(target)
  if (targetRoom === room) return undefined
  if (targetRoom === '..') return 'src/ imports nothing from outside of src/'
  if (doors.has(targetRoom)) return `nothing imports src/${targetRoom}`
  if (rooms.some((each) => each === '*' || isWithin(target, each))) return undefined
  const allowed = rooms.length > 0 ? `only ${rooms.join(', ')}` : 'no other room'
  return `src/${room} may not import src/${target}, ${allowed}`
}

/** All rows for `file` together: its room's, and those of its folders and of itself if there are any. */
function rightsOf(file) {
  const rows = Object.entries(table).flatMap(([place, row]) => (isWithin(file, place) ? [row] : []))
  return {
    rooms: rows.flatMap((row) => row.rooms),
    packages: rows.flatMap((row) => row.packages ?? []),
    pure: rows.some((row) => row.pure),
  }
}

/** What the beginning of `file`, whose text is `text`, lacks as a room's first file; undefined if nothing. */
function openingComplaint(file, text) {
  const room = roomOf(file)
  const first = table[room]?.first
  if (first === undefined || file !== `${room}/${first}`) return undefined
  const comment = /^(?:#!.*\n+)?\/\*\*([^]*?)\*\//.exec(text)?.[1]
  if (comment === undefined) {
    return `It is the first file of src/${room}: begin it with a doc comment, /** … */, that says what the room is`
  }
  const lines = comment.split('\n').map((line) => line.replace(/^\s*\* ?/, '').trim())
  const [paragraph = ''] = lines.join('\n').trim().split(/\n\n+/, 1)
  const sentences = paragraph.split(/(?<=[.!?])\s+(?=[^a-z])/)
  if (sentences.length === 1 && paragraph.endsWith('.')) return undefined
  return `Say in one sentence what src/${room} is; a second paragraph may say more`
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
        const message =
          roomOf(file) in table
            ? openingComplaint(file, context.sourceCode.text)
            : `src/${roomOf(file)} has no row in scripts/rooms.mjs`
        if (message) context.report({ node, message })
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
