// The process of a server, with an attacker's code in it: when it is confined and about to serve, it tries what Node's
// asynchronous functions can do. They run on threads of libuv's. The first argument says where, as JSON; what came of it is
// a line of the engine's log.

const fs = require('node:fs/promises')
const { connect } = require('node:net')
const { Worker } = require('node:worker_threads')
const events = require('node:events')
const { Loop } = require('../../dist/server/loop.js')
const { StarterChannel } = require('../../dist/server/starter-channel.js')

const { outside, inside, port } = JSON.parse(process.argv[2])

const attempts = {
  'read inside': () => fs.readFile(inside),
  'read /etc/shadow': () => fs.readFile('/etc/shadow'),
  'read outside': () => fs.readFile(outside),
  'write outside': () => fs.writeFile(outside, 'changed'),
  'write inside': () => fs.writeFile(inside, 'changed'),
  'chmod inside': () => fs.chmod(inside, 0o777),
  'unlink inside': () => fs.unlink(inside),
  'list /': () => fs.readdir('/'),
  'read another process': () => fs.readFile(`/proc/${process.ppid}/environ`),
  connect: () => events.once(connect(port, '127.0.0.1'), 'connect'),
  'read outside in a new thread': async () => {
    const code = `require('node:fs').readFileSync(${JSON.stringify(outside)})`
    const worker = new Worker(code, { eval: true })
    await new Promise((resolve, reject) => worker.once('error', reject).once('exit', resolve))
  },
}

/** @returns {error is { code: string }} */
function isCoded(error) {
  return error instanceof Error && 'code' in error
}

async function attack(channel) {
  const answers = {}
  for (const [name, attempt] of Object.entries(attempts)) {
    answers[name] = await attempt().then(
      () => 'done',
      (/** @type {unknown} */ error) => (isCoded(error) ? error.code : String(error)),
    )
  }
  channel.tell({ kind: 'log', line: JSON.stringify(answers) })
  channel.flush()
}

let channel
// oxlint-disable-next-line typescript/unbound-method -- it is called with the channel as `this`
const { listen } = StarterChannel.prototype
StarterChannel.prototype.listen = function (...handlers) {
  channel = this
  listen.apply(this, handlers)
}
// The loop would never return to Node's event loop.
Loop.prototype.run = () => {}
require('../../dist/server/main.cjs')
void attack(channel)
