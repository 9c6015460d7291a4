import { HostTree } from '../../src/tree/host/host-tree.ts'
import { openDescriptors } from '../support/descriptors.ts'
import { ManualTimers } from '../support/manual-timers.ts'
import { expectSame, Violation } from './promises.ts'
import type { WorldSetup, WorldStep } from './trace.ts'
import { World } from './world.ts'

/** A client that knows which answers are allowed. */
export interface CheckedClient<Step, Model> {
  readonly model: Model
  /** Begins a session. */
  connect(): void
  take(step: Step): void
  /** Lets time pass. Some requests that wait may then be answered. */
  wait(goesBy: () => void, milliseconds: number): void
  disconnect(): void
  /** The server ends. */
  close(): void
}

/** A wire protocol as it is fuzzed. */
export interface Protocol<Setup extends WorldSetup, Step extends object, Model> {
  readonly name: string
  /** The steps of a run, the same for the same seed and the same answers. */
  generator(seed: number): {
    readonly setup: Setup
    readonly next: (model: Model) => Step | WorldStep | undefined
  }
  /** @param serve makes a server's tree of the world's export. */
  client(world: World, serve: () => HostTree, setup: Setup): CheckedClient<Step, Model>
}

/**
 * Runs steps on a server of a new scratch tree, one after the other. `next` chooses each step, and may use
 * the model to choose one that makes sense.
 *
 * @returns the steps. @throws Violation as soon as the server breaks a promise; `taken` then holds the steps
 *   so far.
 */
export function runSteps<Setup extends WorldSetup, Step extends object, Model>(
  protocol: Protocol<Setup, Step, Model>,
  setup: Setup,
  next: (model: Model) => Step | WorldStep | undefined,
  taken: (Step | WorldStep)[] = [],
): (Step | WorldStep)[] {
  const { policy } = setup
  const before = openDescriptors()
  const world = new World()
  try {
    const timers = new ManualTimers()
    const serve = (): HostTree => new HostTree(world.inside, policy, timers.later)
    const client = protocol.client(world, serve, setup)
    const withTree = openDescriptors()
    try {
      client.connect()
      for (let step = next(client.model); step !== undefined; step = next(client.model)) {
        taken.push(step)
        if ('later' in step) client.wait(() => timers.fire(step.later), step.later)
        else if ('host' in step) {
          world.act(step.host, step.path, step.to)
          world.rememberInside()
        } else client.take(step)
        if (policy.descriptors !== undefined) {
          const held = openDescriptors() - before - world.descriptors
          if (held > policy.descriptors) {
            throw new Violation('a tree keeps to its descriptors', `it has ${held}`)
          }
        }
      }
      client.disconnect()
      world.unlock()
      expectSame('no descriptor is left of a session', openDescriptors(), withTree)
    } finally {
      client.close()
    }
    expectSame('no descriptor is left of a tree', openDescriptors(), before)
    if (!world.canariesLive()) throw new Violation('outside stays as it is', 'a canary has changed')
  } finally {
    world.remove()
  }
  return taken
}
