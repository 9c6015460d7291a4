import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { protocol9p } from './9p/sequence.ts'
import { protocolFuse } from './fuse/sequence.ts'
import { brokenBy } from './minimise.ts'
import type { Protocol } from './run.ts'
import { parseTrace } from './trace.ts'

const protocols = [protocol9p, protocolFuse] as unknown as Protocol<never, never, unknown>[]

describe.each(protocols)('what once broke a promise of $name keeps it now', (protocol) => {
  const folder = new URL(`crashers/${protocol.name}/`, import.meta.url)

  it.each(readdirSync(folder))('%s', (name) => {
    const { setup, steps } = parseTrace(readFileSync(new URL(name, folder), 'utf8'))
    expect(steps.length).toBeGreaterThan(0)
    expect(brokenBy(protocol, setup as never, steps as never)).toBeUndefined()
  })
})
