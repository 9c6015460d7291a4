// Makes docs/images/report.png, the README's picture of a report: `npm run picture`. The report is that of a real run of
// the tests in scripts/report-picture/, and a headless Chromium takes the picture. Takes root and about 75 seconds
// without KVM; what is missing (a Debian root, Chromium) is fetched first.

import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { run, runTool } from './child.mjs'
import { ready } from './ready.mjs'

const picture = 'docs/images/report.png'
const size = { width: 1200, height: 860 }

await ready()
const compiled = await runTool('tsc', ['-p', 'scripts/report-picture'], { capture: true })
if (compiled.code !== 0)
  throw new Error(`test/support/browser does not compile.\n${compiled.output}`)
const { Browser } = await import('../.cache/report-picture/test/support/browser/browser.js')

const folder = mkdtempSync(join(tmpdir(), 'lowerdir-picture-'))
process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
cpSync('scripts/report-picture', folder, { recursive: true })
const report = join(folder, 'report.html')
const clone = process.cwd()
process.chdir(folder)
const { code } = await run(join(clone, 'bin/lowerdir'), [
  'test',
  '--report',
  report,
  '--artifacts',
  'artifacts',
])
process.chdir(clone)
// One of the two tests fails, and so does the run.
if (code !== 1)
  throw new Error(`\`lowerdir test\` ended with ${code}, and not with 1 as it should.`)

// The picture is for everybody, so the paths of this machine are shortened.
const text = readFileSync(report, 'utf8')
writeFileSync(
  report,
  text
    .replaceAll(`file://${clone}/`, 'lowerdir/')
    .replaceAll(`file://${folder}/`, '')
    .replaceAll(`${folder}/`, ''),
)

const browser = await Browser.start()
try {
  const page = await browser.open(pathToFileURL(report).href, size)
  await page.prefer('light')
  mkdirSync(dirname(picture), { recursive: true })
  writeFileSync(picture, await page.screenshot())
} finally {
  await browser[Symbol.asyncDispose]()
}
console.log(`Made ${picture}.`)
