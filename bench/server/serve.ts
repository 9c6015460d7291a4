import { defaultLimits } from '../../src/session/session-limits.ts'
import { startEngine } from '../../src/server/engine.ts'

/** A process that serves a folder with lowerdir's server until its parent disconnects. */

const [directory = '', path = ''] = process.argv.slice(2)
const engine = await startEngine({
  exports: [{ name: null, directory, readOnly: true, owner: 'host', atime: 'preserve' }],
  listen: [{ kind: 'unix', path }],
  limits: defaultLimits,
  sandbox: 'auto',
})
process.once('disconnect', () => void engine.close())
