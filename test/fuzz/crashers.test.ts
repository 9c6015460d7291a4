import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { brokenBy } from './minimise.ts'
import { parseTrace } from './steps.ts'

const folder = new URL('crashers/', import.meta.url)

describe('what once broke a promise keeps it now', () => {
  it.each(readdirSync(folder))('%s', (name) => {
    const { setup, steps } = parseTrace(readFileSync(new URL(name, folder), 'utf8'))
    expect(steps.length).toBeGreaterThan(0)
    expect(brokenBy(setup, steps)).toBeUndefined()
  })
})
