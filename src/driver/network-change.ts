import type { LinkConditions } from '../network/conditions.ts'

/** A change of a network while it runs. */
export type NetworkChange =
  /** The link from one machine to another has these conditions from now on. */
  | {
      readonly kind: 'link'
      readonly from: string
      readonly to: string
      readonly conditions: LinkConditions
    }
  /** No frame gets from one side to another any more. */
  | { readonly kind: 'partition'; readonly sides: readonly (readonly string[])[] }
  /** All partitions have ended. */
  | { readonly kind: 'heal' }
  /** The cables of a machine are pulled out, or plugged in again. */
  | { readonly kind: 'block' | 'unblock'; readonly machine: string }
  /** Frames are captured into a file. */
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
