import { readFileSync, readdirSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { parseExports } from '../../src/cli/export.ts'
import { SHARE_FORM, parseShare } from '../../src/cli/values.ts'
import { lowerdir } from '../support/vm-cli.ts'

/** What stands for the words in capitals. */
const samples: Readonly<Record<string, readonly string[]>> = {
  SRC: ['/s'],
  DST: ['/d'],
  OWNER: ['12:34', 'host', 'mapped-xattr'],
  RANGE: ['0:100000:65536'],
  MODE: ['none', 'mmap', 'loose'],
}

/** All texts of a form: `[a|b]` is one of these or nothing, a word in capitals is one of its samples. */
function textsOf(form: string): string[] {
  const bracket = /\[([^\]]*)\]/.exec(form)
  if (bracket !== null) {
    const choices = ['', ...(bracket[1] ?? '').split('|')]
    return choices.flatMap((choice) => textsOf(form.replace(bracket[0], choice)))
  }
  const word = /[A-Z]{3,}/.exec(form)?.[0]
  if (word === undefined) return [form]
  return samples[word]!.flatMap((sample) => textsOf(form.replace(word, sample)))
}

/** What a text says, told from the text alone. */
function meaningOf(text: string) {
  const words = text.slice('/s:/d:'.length).split(',')
  const cache = words.find((word) => word.startsWith('cache='))?.slice('cache='.length)
  const owner = words.find((word) => word.startsWith('owner='))?.slice('owner='.length)
  return {
    source: '/s',
    target: '/d',
    readOnly: words.includes('ro'),
    ...(cache === undefined ? {} : { cache }),
    ...(text.includes('locks=') && { locks: /locks=(\w+)/.exec(text)?.[1] }),
    ...(words.includes('acls') && { acls: true }),
    owner: text.includes('map=')
      ? [{ guest: 0, host: 100_000, count: 65_536 }]
      : owner === '12:34'
        ? { uid: 12, gid: 34 }
        : (owner ?? 'host'),
  }
}

/** The pages that show how a share is written. */
const pages = ['README.md', ...readdirSync('docs').map((name) => `docs/${name}`)].filter((path) =>
  path.endsWith('.md'),
)

describe('a share as the documentation writes it', () => {
  it('is one form, in the help, in docs/run.md and in the message for what is none', async () => {
    const { stdout } = await lowerdir(['run', '--help'])
    const help = stdout.toString()
    expect(help).toContain(`A share is ${SHARE_FORM}.\n`)
    expect(readFileSync('docs/run.md', 'utf8')).toContain(`\`--share ${SHARE_FORM}\``)
    // The short form of the list of options is a form as well.
    const forms = [...help.matchAll(/SRC:DST[^\s.]*/g)].map(([form]) => form)
    expect(forms).toEqual(['SRC:DST[:ro]', SHARE_FORM])
    for (const text of forms.flatMap(textsOf)) {
      expect([text, parseShare(text, 'host')]).toEqual([text, meaningOf(text)])
      const withColon = text.replace('/d,', '/d:')
      expect([withColon, parseShare(withColon, 'host')]).toEqual([withColon, meaningOf(text)])
    }
  })

  it('is understood in each example', () => {
    const text = pages.map((path) => readFileSync(path, 'utf8')).join('\n')
    const examples = [...text.matchAll(/--share[ =]([^\s`]*[a-z][^\s`]*)/g)]
      .map(([, share = '']) => share)
      .filter((share) => !share.startsWith('SRC'))
    expect(examples).toContain('./src:/src:ro')
    for (const share of examples) {
      const { target, readOnly } = parseShare(share, 'host')
      expect([share, target]).not.toEqual([share, expect.stringMatching(/[,:]/)])
      expect([share, readOnly]).toEqual([share, /[:,]ro\b/.test(share)])
    }
  })

  it('is understood with each option of the table in docs/run.md', () => {
    const rows = [...readFileSync('docs/run.md', 'utf8').matchAll(/^\| (`,.*?) \|/gm)]
    const options = rows.flatMap(([, cell = '']) =>
      [...cell.matchAll(/`(,[^`]*)`/g)].map(([, each]) => each!),
    )
    expect(options).toContain(',ro')
    for (const option of options) {
      const text = `/s:/d${option.replace('UID:GID', '1:2').replace('GUEST:HOST:COUNT', '0:1:2')}`
      expect([text, parseShare(text, 'host').target]).toEqual([text, '/d'])
    }
  })
})

describe('an export as the help writes it', () => {
  it('is understood with each option', async () => {
    const { stdout } = await lowerdir(['serve', '--help'])
    const sentence =
      /An export's DIR may be followed by ([^]*?)\. /.exec(stdout.toString())?.[1] ?? ''
    const options = sentence.split(/\s+/).filter((word) => word.startsWith(','))
    expect(options).toEqual([
      ',ro',
      ',rw',
      ',owner=…',
      ',map=…',
      ',atime=preserve',
      ',atime=guest',
      ',locks=guests',
      ',locks=host',
    ])
    const policy = { readOnly: false, owner: 'host', atime: 'preserve' } as const
    const meanings = options.map((option) => {
      const value = option.startsWith(',map') ? '0:1:2' : '1:2'
      const text = `name=/d${option.replace('…', value)}`
      const [{ name: _name, ...served } = { name: '' }] = parseExports([text], policy)
      return served
    })
    const host = { directory: '/d', ...policy }
    expect(meanings).toEqual([
      { ...host, readOnly: true },
      host,
      { ...host, owner: { uid: 1, gid: 2 } },
      { ...host, owner: [{ guest: 0, host: 1, count: 2 }] },
      host,
      { ...host, atime: 'guest' },
      { ...host, lockScope: 'guests' },
      { ...host, lockScope: 'host' },
    ])
  })
})
