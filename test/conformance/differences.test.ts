import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { behaviours, kernelBehaviours, usersBehaviours } from './behaviours/index.ts'
import { differences } from './differences.ts'

const page = readFileSync(new URL('../../docs/conformance.md', import.meta.url), 'utf8')

describe('the differences between a share and a directory', () => {
  it.each(differences)('$title', ({ title, behaviours: names }) => {
    const known = Object.keys({ ...behaviours, ...kernelBehaviours, ...usersBehaviours })
    expect(known).toEqual(expect.arrayContaining([...names]))
    expect(page.replaceAll(/\s+/g, ' ')).toContain(`**${title}**`)
  })
})
