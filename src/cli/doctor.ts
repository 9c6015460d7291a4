import { chooseAccelerator } from '../machine/accelerator.ts'
import { chooseTransport } from '../machine/transport.ts'
import { cacheFolder } from '../provision/cache.ts'
import { type Inventory, inventory } from '../provision/inventory.ts'
import { describeSandbox } from '../server/sandbox.ts'
import { command } from './command.ts'
import { describeParts, row } from './describe-parts.ts'
import { print } from './print.ts'

/** How long the default guest takes to boot, measured on two cores of a server. */
const EXPECTATION = {
  kvm: 'a boot takes about a second, and commands run at full speed',
  tcg: 'a boot takes 5 to 15 seconds, and commands are 10 to 20 times slower than here',
}

export const doctor = command({
  summary: 'say what is installed, what is missing, and how fast guests will be',
  usage: 'doctor',
  options: {},
  takesNoArguments: true,

  async run() {
    const parts = await inventory()
    const { accelerator, reason } = chooseAccelerator('auto')
    const isRoot = process.getuid?.() === 0
    const lines = [
      row('Node.js', `${process.version} on ${process.arch}`),
      ...describeParts(parts),
      row('accelerator', `${accelerator}: ${reason}`),
      row('speed', EXPECTATION[accelerator]),
      row('transport', await describeTransport(parts)),
      row(
        'user',
        isRoot
          ? 'root: guests see every file'
          : `uid ${process.getuid?.()}: guests see the files that this user may read`,
      ),
      row('sandbox', describeSandbox()),
      row('cache', cacheFolder()),
    ]
    for (const line of lines) print(line)
    const isComplete = Object.values(parts).every(({ found }) => found !== undefined)
    print(
      isComplete ? '\nEverything is here.' : '\nSomething is missing. `lowerdir setup` fetches it.',
    )
    return isComplete ? 0 : 1
  },
})

/** The transport of `run`, and why. */
async function describeTransport({ qemu, kernel }: Inventory): Promise<string> {
  if (qemu.found === undefined || kernel.found === undefined) {
    return 'virtiofs or 9p if QEMU and the kernel can do it, else tcp'
  }
  const { transport, reason } = await chooseTransport('auto', qemu.found, kernel.found)
  return `${transport}: ${reason}`
}
