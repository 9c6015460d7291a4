import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { MachineEvent } from '../../src/record/event.ts'
import { readMachines } from '../../src/report/machine-folder.ts'
import type { TestRun } from '../../src/report/results.ts'
import { writeReport } from '../../src/report/write-report.ts'
import { Browser } from '../support/browser/browser.ts'
import type { Page } from '../support/browser/page.ts'
import { temporaryDirectory } from '../support/temporary.ts'
import { HOSTILE, START, at, fileResult, sampleRun, testResult, writeMachine } from './sample.ts'

let browser: Browser
const pages: Page[] = []

// Chromium may have to be fetched first.
beforeAll(async () => {
  browser = await Browser.start()
}, 600_000)

afterAll(() => browser?.[Symbol.asyncDispose]())

afterEach(() => {
  const complaints = pages.splice(0).flatMap((page) => page.complaints)
  if (complaints.length > 0) throw new Error(complaints.join('\n'))
})

/** Opens the report of a run whose artifacts are in `root`. */
async function open(root: string, run: TestRun): Promise<Page> {
  const file = join(root, 'report.html')
  await writeReport(file, run, await readMachines(root))
  const page = await browser.open(pathToFileURL(file).href)
  pages.push(page)
  return page
}

async function openSample(): Promise<Page> {
  const root = temporaryDirectory()
  return open(root, sampleRun(root))
}

describe('the report in a browser', () => {
  it('shows what failed first, and why', async () => {
    const page = await openSample()
    expect(await page.texts('.totals .badge')).toEqual(['1 failed', '1 passed', '1 skipped'])
    expect(await page.texts('nav .title')).toEqual([
      'web › answers',
      'units start',
      'web › logs',
      'The whole file',
    ])
    expect(await page.texts('h2')).toEqual(['web › answers'])
    expect((await page.texts('.failure pre'))[0]).toContain('curl ended with 7')
  })

  it('tells tests that were interrupted from those that failed', async () => {
    const root = temporaryDirectory()
    const tests = [
      testResult(['fine'], [0, 1]),
      testResult(['waits'], [1, 5], { status: 'interrupted', reason: 'ended by SIGINT' }),
    ]
    const page = await open(root, {
      start: START,
      duration: 5000,
      files: [fileResult(root, 'a.vm.test.ts', tests, { interrupted: true })],
      interrupted: 'Interrupted. Files: 0 ended, 1 stopped, 0 not started.',
    })
    expect(await page.texts('.totals .badge')).toEqual([
      '0 failed',
      '1 passed',
      '0 skipped',
      '1 interrupted',
    ])
    expect(await page.texts('nav .title')).toEqual(['waits', 'fine'])
    expect(await page.evaluate('document.title')).toBe('interrupted · lowerdir test')
    expect(await page.texts('tr td')).toEqual(['0', '1', '0', '1', '30.0 s'])
    await page.click('nav button', 'Interrupted')
    expect(await page.texts('nav .title')).toEqual(['waits'])
  })

  it('filters the tests by result and by name', async () => {
    const page = await openSample()
    await page.click('nav button', 'Failed')
    expect(await page.texts('nav .title')).toEqual(['web › answers'])
    expect(await page.texts('nav output')).toEqual(['1 of 4'])
    await page.click('nav button', 'All')
    await page.click('nav input')
    await page.type('UNITS')
    expect(await page.texts('nav .title')).toEqual(['units start', 'The whole file'])
    await page.click('nav button', 'Passed')
    expect(await page.texts('nav .title')).toEqual(['units start'])
  })

  it('goes to another test and back, as links do', async () => {
    const page = await openSample()
    await page.click('nav a', 'units start')
    await page.until(`document.querySelector('h2').textContent === 'units start'`)
    expect(await page.texts('.bar.command')).toEqual(['systemctl is-active cron'])
    expect(await page.texts('nav [aria-current] .title')).toEqual(['units start'])
    await page.evaluate('history.back()')
    await page.until(`document.querySelector('h2').textContent === 'web › answers'`)
    await page.click('header a')
    await page.until(`document.querySelector('h2').textContent === 'Overview'`)
    expect(await page.texts('tbody th')).toEqual([
      'nginx.vm.test.ts',
      'units.vm.test.ts',
      'server',
      'client',
      'machine',
    ])
  })

  it('opens a command from its bar, on the machine that it ran on', async () => {
    const page = await openSample()
    expect(await page.texts('[role=tab][aria-selected=true]')).toEqual(['server', 'Events'])
    await page.click('.bar.command', 'curl')
    expect(await page.texts('[role=tab][aria-selected=true]')).toEqual(['client', 'Events'])
    const [text] = await page.texts('.entry[open]')
    expect(text).toMatch(/curl -sf http:\/\/server\/\s+exit 7\s+1\.1 s/)
    expect(text).toContain('exit status 7')
    expect(await page.texts('.entry[open] pre.stderr')).toEqual(['curl: (7) Failed to connect'])
    expect(await page.texts('.entry[open] pre.stdout')).toEqual([])
  })

  it('opens a bar that is in another tab, and one that a filter has hidden', async () => {
    const page = await openSample()
    await page.click('[role=tab]', 'Console')
    await page.click('.bar.command', 'ss -ltn')
    expect(await page.texts('.entry[open] pre.stdout')).toEqual(['LISTEN 0.0.0.0:80'])
    await page.click('main button', 'Waits')
    expect(await page.texts('.entry')).toHaveLength(1)
    await page.click('.bar.command', 'echo')
    expect(await page.texts('.entry[open] .outcome')).toEqual(['SIGKILL'])
  })

  it('is used with the keyboard alone', async () => {
    const page = await openSample()
    const focused = `document.activeElement`
    for (let presses = 0; !(await page.evaluate(`${focused}.matches('.bar')`)); presses += 1) {
      expect(presses).toBeLessThan(40)
      await page.press('Tab')
    }
    expect(await page.evaluate(`${focused}.textContent.trim()`)).toBe('boot')
    await page.press('ArrowRight')
    await page.press('ArrowDown')
    expect(await page.evaluate(`${focused}.textContent.trim()`)).toBe('wait for unit nginx.service')
    await page.press('Enter')
    await page.until(`${focused}.matches('summary')`)
    expect(await page.texts('.entry[open] .what')).toEqual(['wait for unit nginx.service'])
    await page.click('[role=tab]', 'server')
    await page.press('ArrowRight')
    expect(await page.evaluate(`${focused}.textContent.trim()`)).toBe('client')
    expect(await page.texts('[role=tab][aria-selected=true]')).toEqual(['client', 'Events'])
  })

  it('searches the events with all that commands have written', async () => {
    const page = await openSample()
    await page.click('main input[aria-label="Search events"]')
    await page.type('0.0.0.0:80')
    expect(await page.texts('.entry .what')).toEqual(['ss -ltn'])
    expect(await page.texts('main output')).toEqual(['1 of 8'])
  })

  it('searches the console, forwards and backwards', async () => {
    const page = await openSample()
    await page.click('[role=tab]', 'Console')
    await page.click('input[aria-label="Search the console"]')
    await page.type('N')
    expect(await page.texts('.line.now')).toEqual(['Linux version 6.1.0'])
    expect(await page.texts('main output')).toEqual(['1 of 3'])
    await page.press('Enter')
    await page.press('Enter')
    expect(await page.texts('.line.now')).toEqual(['[  OK  ] Started nginx'])
    await page.press('Enter', { shift: true })
    expect(await page.texts('main output')).toEqual(['2 of 3'])
    await page.click('main button', 'Previous')
    expect(await page.texts('main output')).toEqual(['1 of 3'])
    await page.type('o such word')
    expect(await page.texts('main output')).toEqual(['not found'])
    expect(await page.texts('.line.hit')).toEqual([])
  })

  it('shows the screen, the journal, QEMU, and what was seen on the network', async () => {
    const page = await openSample()
    await page.click('[role=tab]', 'Screenshots')
    await page.until(`document.querySelector('img').naturalWidth === 1`)
    await page.click('[role=tab]', 'Journal')
    expect((await page.texts('.line')).at(-1)).toBe('last line')
    await page.click('[role=tab]', 'QEMU')
    expect((await page.texts('[role=tabpanel] pre')).join()).toContain(
      "qemu-system-x86_64 -append 'quiet panic=-1'",
    )
    await page.click('[role=tab]', 'Network')
    expect(
      await page.evaluate(
        `[...atob(document.querySelector('[download="vlan1.pcap"]').href.split(',')[1])].length`,
      ),
    ).toBe(24)
  })

  it('zooms into the timeline and out again', async () => {
    const page = await openSample()
    const width = (): Promise<number> =>
      page.evaluate(`document.querySelector('.canvas').getBoundingClientRect().width`)
    const before = await width()
    await page.click('button', 'Zoom in')
    await page.click('button', 'Zoom in')
    expect(await width()).toBeCloseTo(before * 4, -1)
    expect(await page.evaluate(`document.querySelector('.scroller').scrollLeft`)).toBeGreaterThan(0)
    await page.click('button', 'Fit')
    expect(await width()).toBeCloseTo(before, -1)
  })

  it('runs no script from a guest’s output, wherever the page shows it', async () => {
    const page = await openSample()
    const visible = HOSTILE.slice(0, HOSTILE.indexOf('\u0000'))
    await page.click('.bar.command', 'echo')
    await page.click('[role=tab]', 'Console')
    await page.click('[role=tab]', 'Journal')
    expect((await page.texts('.line'))[0]).toContain(`${visible}␀␇red \ufffdgnp.exe "'&amp;`)
    expect(await page.evaluate('typeof window.stolen')).toBe('undefined')
    expect(await page.evaluate(`document.querySelectorAll('main script, main img').length`)).toBe(1)
    await page.click('[role=tab]', 'Events')
    expect((await page.texts('.entry[open] pre.stdout'))[0]).toContain(`out ${visible}`)
    expect(await page.texts('.entry[open] .gap')).toEqual(['[4.9 KiB left out]'])
    expect(await page.texts('.entry[open] .binary')).toEqual(['//79'])
    // The first line of a text is its own, also when it is empty.
    expect(
      await page.evaluate(`document.querySelector('.entry[open] pre.stdout').textContent[0]`),
    ).toBe('\n')
  })

  it('would run nothing even if something were not escaped', async () => {
    const page = await openSample()
    pages.length = 0
    await page.evaluate(`new Promise((resolve) => {
      const refused = new Set()
      document.addEventListener('securitypolicyviolation', ({ effectiveDirective }) => {
        if (refused.add(effectiveDirective).size === 3) resolve()
      })
      const script = document.createElement('script')
      script.textContent = 'window.stolen = 1'
      document.body.append(script)
      document.body.insertAdjacentHTML('beforeend', '<img src=x onerror="window.stolen = 1">')
    })`)
    expect(await page.evaluate('typeof window.stolen')).toBe('undefined')
    expect(page.complaints.join()).toContain('Content Security Policy')
  })

  it.each(['light', 'dark'] as const)('is readable on a %s screen', async (scheme) => {
    const page = await openSample()
    await page.prefer(scheme)
    const [background = 0, text = 0] = await page.evaluate<number[]>(`(() => {
      const { backgroundColor, color } = getComputedStyle(document.body)
      return [backgroundColor, color].map((value) => Number(value.match(/\\d+/)[0]))
    })()`)
    expect(scheme === 'light' ? background - text : text - background).toBeGreaterThan(150)
  })

  it('is usable with ten thousand events', async () => {
    const root = temporaryDirectory()
    const events: MachineEvent[] = at(
      [0, { kind: 'machine', name: 'busy', accelerator: 'kvm' }],
      [0, { kind: 'qemu', command: ['qemu'] }],
      [1, { kind: 'ready' }],
    )
    for (let id = 1; id <= 10_000; id += 1) {
      const [start, end] = [1 + id / 100, 1 + (id + 2) / 100]
      events.push(
        ...at(
          [start, { kind: 'command-started', id, text: `command ${id}` }],
          [start, { kind: 'command-output', id, stream: 'stdout', text: `output ${id}\n` }],
          [start, { kind: 'console', line: `line ${id}` }],
          [end, { kind: 'command-ended', id, exitCode: id === 7777 ? 1 : 0 }],
        ),
      )
    }
    writeMachine(join(root, 'a', 'busy'), events)
    const files = [fileResult(root, 'a', [testResult(['busy'], [0, 120])])]
    const page = await open(root, { start: START, duration: 120_000, files })
    await page.click('nav a', 'busy')
    await page.until(`document.querySelectorAll('.bar').length === 10001`)
    await page.click('main button', 'Notable')
    await page.click('.entry', 'command 7777')
    expect(await page.texts('.entry[open] pre.stdout')).toEqual(['output 7777'])
    await page.click('[role=tab]', 'Console')
    await page.click('input[aria-label="Search the console"]')
    await page.type('line 9999')
    expect(await page.texts('.line.now')).toEqual(['line 9999'])
  })
})
