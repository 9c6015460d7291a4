import { errno } from '../../src/sys/errno.ts'
import type { HostPolicy } from '../../src/tree/host/policy.ts'
import { CANARY, CANARY_NAME, type World } from './world.ts'

/** The server has broken one of its promises; `rule` names which. */
export class Violation extends Error {
  override readonly name = 'Violation'
  readonly rule: string

  constructor(rule: string, detail: string) {
    super(`${rule}: ${detail}`)
    this.rule = rule
  }
}

export function expectSame(rule: string, now: number, before: number): void {
  if (now !== before) throw new Violation(rule, `${before} were there before, ${now} are there now`)
}

const knownErrnos: ReadonlySet<number> = new Set(Object.values(errno))

/** @param what the request that got it. */
export function expectKnownErrno(ecode: number, what: string): void {
  if (!knownErrnos.has(ecode)) {
    throw new Violation('an errno is one of the table’s', `${what}: ${ecode}`)
  }
}

/** Whether this is a name that no file has. */
export function isOddName(name: string): boolean {
  return name === '' || name === '.' || /[/\0]/.test(name) || name.length > 255
}

/** What is promised of a world, whatever the wire protocol. */
export class WorldPromises {
  readonly #world: World
  readonly #policy: HostPolicy

  constructor(world: World, policy: HostPolicy) {
    this.#world = world
    this.#policy = policy
    world.rememberInside()
  }

  /** @param what the bytes are. */
  checkBytes(bytes: Buffer, what: string): void {
    if (bytes.includes(CANARY) || bytes.includes(CANARY_NAME)) {
      throw new Violation('nothing outside is read', `seen in ${what}`)
    }
  }

  checkInode(ino: bigint, what: string): void {
    if (this.#world.outsideInodes.has(ino)) {
      throw new Violation('nothing outside is reached', `${what} has reached inode ${ino}`)
    }
  }

  /** The attributes that the server stores with a file must be hidden from guests. */
  checkHidden(attributes: Buffer, what: string): void {
    if (this.#policy.owner === 'mapped-xattr' && attributes.includes('user.virtfs.')) {
      throw new Violation('what is stored is not listed', what)
    }
  }

  /** No request may cause an "unexpected" error of the server. @param expected lines that clients may cause. */
  checkLog(log: readonly string[], expected?: RegExp): void {
    const line = log.find((each) => expected?.test(each) !== true)
    if (line !== undefined) throw new Violation('nothing fails unexpectedly', line)
  }

  checkWorld(): void {
    const outside = this.#world.outsideChange()
    if (outside !== undefined) throw new Violation('outside stays as it is', outside)
    // A symlink is not harmless either: programs of the host follow it.
    if (this.#policy.owner === 'mapped-xattr' && this.#world.hasNewOddities()) {
      throw new Violation('guests make files and directories only', 'where owners are stored')
    }
    if (!this.#policy.readOnly) return
    const inside = this.#world.insideChange()
    if (inside !== undefined) throw new Violation('what is read-only stays as it is', inside)
  }
}
