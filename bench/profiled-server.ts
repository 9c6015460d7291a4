import { defaultLimits } from '../src/session/session-limits.ts'
import { openEngine } from '../src/server/engine.ts'
import type { Listen } from '../src/server/share.ts'
import { profiledProgram } from './profiled.ts'

/**
 * A process that serves a folder until SIGTERM. Its serving process then writes a profile. Its arguments are the folder, the
 * address as JSON, and the file for the profile.
 */

const [directory = '', place = '', output = ''] = process.argv.slice(2)
const engine = openEngine(
  {
    exports: [{ name: null, directory, readOnly: false, owner: 'host', atime: 'preserve' }],
    listen: [JSON.parse(place) as Listen],
    limits: defaultLimits,
    // The sandbox would keep the process from writing the profile.
    sandbox: 'off',
  },
  () => {},
  profiledProgram(output),
)
process.once('SIGTERM', () => void engine.close())
