import { defaultLimits } from '../src/server/session.ts'
import { startEngine } from '../src/transport/engine/engine.ts'

/** A process that serves a folder with our server until its parent lets go of it. */

const [directory = '', path = ''] = process.argv.slice(2)
const engine = await startEngine({
  directory,
  listen: [{ kind: 'unix', path }],
  limits: defaultLimits,
  readOnly: true,
  owner: 'host',
  atime: 'preserve',
})
process.once('disconnect', () => void engine.close())
