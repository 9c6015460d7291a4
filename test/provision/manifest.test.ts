import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { listFetched, readFetched } from '../../src/provision/manifest.ts'
import { temporaryDirectory } from '../support/temporary.ts'

it.each(['', '{', 'null', '{}', '[]', '"text"', '{"main":1}', '{"main":"missing"}'])(
  'a fetched folder with the manifest %j counts as none',
  async (text) => {
    const parent = temporaryDirectory()
    const folder = join(parent, 'fetched')
    mkdirSync(folder)
    writeFileSync(join(folder, 'fetched.json'), text)
    expect(await readFetched(folder)).toBeUndefined()
    expect(await listFetched(parent)).toEqual([])
  },
)
