import type { LinkConditions } from '../network/conditions.ts'

/** What has been done to a network while it ran. */
export type NetworkChange =
  /** Frames from one machine to another have these conditions from now on. */
  | {
      readonly kind: 'link'
      readonly from: string
      readonly to: string
      readonly conditions: LinkConditions
    }
  /** Machines on different sides do not reach each other any more. */
  | { readonly kind: 'partition'; readonly sides: readonly (readonly string[])[] }
  /** Nobody is parted from anybody any more. */
  | { readonly kind: 'heal' }
  /** A machine's cables are pulled out, or are plugged in again. */
  | { readonly kind: 'block' | 'unblock'; readonly machine: string }
  /** Frames are written into a file. */
  | { readonly kind: 'capture'; readonly file: string }

/** A change, for a person. */
export function describeChange(change: NetworkChange): string {
  switch (change.kind) {
    case 'link': {
      const conditions = Object.entries(change.conditions).map(
        ([name, value]) => `${name} ${value}`,
      )
      return `${change.from} to ${change.to}: ${conditions.join(', ') || 'a good link'}`
    }
    case 'partition':
      return `a partition: ${change.sides.map((side) => side.join(', ')).join(' | ')}`
    case 'heal':
      return 'no partition any more'
    case 'block':
      return `the cables of ${change.machine} are out`
    case 'unblock':
      return `the cables of ${change.machine} are in again`
    case 'capture':
      return `frames are written into ${change.file}`
  }
}
