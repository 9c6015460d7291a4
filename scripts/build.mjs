// Compiles src/ to dist/, which then has nothing of sources that are gone: `npm run build`, and before `npm pack`.

import { build } from './ready.mjs'

const { code, output } = await build()
if (code !== 0) console.error(`${output}\nsrc/ does not compile.`)
process.exitCode = code
