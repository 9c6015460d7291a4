import { anySignal } from './waits/wait.ts'
import { bootAll as start } from './boot-all.ts'
import { boot, bootSeated } from './boot.ts'
import type { Machine } from './machine.ts'
import type { Network } from './network.ts'
import { describeChange } from './network-change.ts'
import { isContext } from './owning-test.ts'
import type { BootOptions } from './options.ts'
import { memoryMiB } from './options.ts'
import { type NetworkOptions, type NetworkedOptions, startNetwork } from './start-network.ts'
import { TestMachines } from './test-machines.ts'

/** A machine of a network. Its name is its key in the network, and it belongs to the network's test. */
export type NetworkedBootOptions = Omit<BootOptions, 'name' | 'test'> & NetworkedOptions

/** A network, as {@link network} makes it. With `test`, the network and its machines end with that test. */
export type BootNetworkOptions<Name extends string> = NetworkOptions<Name, NetworkedBootOptions> &
  Pick<BootOptions, 'test'>

/**
 * Boots machines that reach each other by their names, all at once as far as memory allows, and resolves when all of
 * them are ready.
 *
 * ```ts
 * await using net = await network({ machines: { client: { root }, server: { root, vlans: [1, 2] } } })
 * net.link('client', 'server', { delay: 50, loss: 0.1 })
 * await net.machines.client.succeed('ping -c 3 server')
 * ```
 *
 * @throws Error when one cannot be booted, with its name and the reason. Nothing is left behind then.
 */
export async function network<Name extends string>(
  options: BootNetworkOptions<Name>,
): Promise<Network<Name, Machine>> {
  const { test } = options
  if (!isContext(test)) return bootNetwork(options)
  return TestMachines.of(test).own(() => bootNetwork(options))
}

/**
 * Boots machines that are in no network, all at once as far as memory allows.
 *
 * ```ts
 * const [a, b] = await bootAll([{ root, name: 'a' }, { root, name: 'b' }])
 * ```
 *
 * @throws Error when one cannot be booted, with its name and the reason. Nothing is left behind then.
 */
export async function bootAll(machines: readonly BootOptions[]): Promise<Machine[]> {
  return start(
    machines.map((options) => ({
      name: options.name ?? 'machine',
      memoryMiB: memoryMiB(options),
      boot: (signal) => boot({ ...options, signal: anySignal(options.signal, signal) }),
    })),
  )
}

async function bootNetwork<Name extends string>({
  test,
  ...options
}: BootNetworkOptions<Name>): Promise<Network<Name, Machine>> {
  const whose = test === undefined ? {} : { test }
  const booted: Machine[] = []
  return startNetwork<Name, NetworkedBootOptions, Machine>(
    {
      ...options,
      onChange: (change) => {
        for (const { recorder } of booted)
          recorder.event({ kind: 'network', change: describeChange(change) })
        options.onChange?.(change)
      },
    },
    {
      memoryMiB,
      async boot({ signal, ...own }, seat) {
        const either = anySignal(signal, seat.signal)
        const place = { name: seat.hostname, signal: either }
        const machine = await bootSeated({ ...own, ...whose, ...place }, seat)
        booted.push(machine)
        return machine
      },
    },
  )
}
