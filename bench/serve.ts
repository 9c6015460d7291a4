import { defaultLimits } from '../src/session/session-limits.ts'
import { startEngine } from '../src/server/start.ts'
import type { Listen } from '../src/server/share.ts'

/**
 * A process that serves a folder with lowerdir's server until its parent disconnects. Its arguments are the folder, the
 * address as JSON, and `ro` or `rw`.
 */

const [directory = '', place = '', access = ''] = process.argv.slice(2)
const engine = await startEngine({
  exports: [{ name: null, directory, readOnly: access === 'ro', owner: 'host', atime: 'preserve' }],
  listen: [JSON.parse(place) as Listen],
  limits: defaultLimits,
  sandbox: 'auto',
})
process.once('disconnect', () => void engine.close())
