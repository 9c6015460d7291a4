/**
 * Where the process of a server begins. It is CommonJS, because such a module and the ES modules that it requires are
 * loaded synchronously. Node imports ES modules through libuv's thread pool: these threads would begin before the sandbox,
 * and be outside of it for ever.
 */

import type * as serving from './serving.ts' with { 'resolution-mode': 'import' }

const { serve } = require('./serving.js') as typeof serving

serve()
