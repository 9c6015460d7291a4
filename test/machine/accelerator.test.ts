import { describe, expect, it } from 'vitest'
import {
  type ChosenAccelerator,
  chooseAccelerator,
  sameAccelerator,
} from '../../src/machine/accelerator.ts'

describe('the accelerator of a machine that goes on', () => {
  it('is the one of the saved machine, and its reason says so', () => {
    expect(sameAccelerator('tcg')).toEqual({
      accelerator: 'tcg',
      reason: 'the machine was emulated when it was saved',
    })
  })

  it('is KVM if the saved machine had it, and an error if this host has no KVM', () => {
    const { accelerator, reason } = chooseAccelerator('auto')
    expect(reasonOf(() => sameAccelerator('kvm'))).toBe(
      accelerator === 'kvm'
        ? 'the machine ran with it when it was saved'
        : `The machine ran with KVM when it was saved, and KVM cannot be used here: ${reason}. Make the snapshot again.`,
    )
  })
})

/** Why it was chosen, or why it could not be. */
function reasonOf(choose: () => ChosenAccelerator): string {
  try {
    return choose().reason
  } catch (error) {
    return (error as Error).message
  }
}
