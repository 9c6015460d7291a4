import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fetchTesseract } from '../../src/provision/tesseract.ts'
import type { Machine } from '../../src/driver/machine.ts'
import { inVain } from '../support/in-vain.ts'
import { bootWatched } from '../support/vm-boot.ts'

const BUSYBOX = '/run/lowerdir/busybox'

const folder = mkdtempSync(join(tmpdir(), 'lowerdir-test-'))
let vm: Machine

beforeAll(async () => {
  vm = await bootWatched({
    root: '/',
    init: 'none',
    memory: 512,
    artifacts: folder,
    name: 'looked-at',
  })
  // A shell on the first terminal, with a prompt that is easily told. Not with `&`: it would not mind Ctrl-C.
  await vm.succeed(`${BUSYBOX} clear >/dev/tty1`)
  const shell = `PS1='guest% ' ${BUSYBOX} setsid -c ${BUSYBOX} sh -i <>/dev/tty1 >&0 2>&1`
  vm.exec(shell).then(undefined, () => {})
  await vm.waitUntilTtyMatches(1, /^guest%/m, { timeout: 60 })
})

afterAll(async () => {
  await vm?.[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true, force: true })
})

/** Width and height, as a PNG file says them in its first chunk. */
function size(png: Buffer): [number, number] {
  expect(png.toString('latin1', 1, 4)).toBe('PNG')
  return [png.readUInt32BE(16), png.readUInt32BE(20)]
}

describe('a screenshot', () => {
  it('is a PNG file, in the artifacts and where it was asked for', async () => {
    const file = join(folder, 'asked-for.png')
    const png = await vm.screenshot(file)
    expect(size(png)).toEqual([720, 400])
    expect(readFileSync(file)).toEqual(png)
    const shots = vm.recorder.events.filter((event) => event.kind === 'screenshot')
    expect(shots).toMatchObject([{ file: 'screenshot-1.png' }])
    expect(readFileSync(join(folder, 'looked-at/screenshot-1.png'))).toEqual(png)
  })

  it('shows what is on the screen', async () => {
    const before = await vm.screenshot()
    await vm.succeed('echo something else >/dev/tty1')
    await vm.waitUntilTtyMatches(1, 'something else')
    expect(await vm.screenshot()).not.toEqual(before)
  })
})

describe('the text on the screen', () => {
  beforeAll(async () => {
    await fetchTesseract()
  })

  it('is read from its picture', async () => {
    await vm.succeed("printf '\\nThe quick brown fox\\n  jumps over 13 lazy dogs.\\n' >/dev/tty1")
    await vm.waitUntilTtyMatches(1, 'lazy dogs')
    expect(await vm.getScreenText()).toMatch(/^The quick brown fox\s+jumps over 13 lazy dogs\./m)
    const variants = await vm.getScreenTextVariants()
    expect(variants.filter((variant) => /quick brown/.test(variant))).toHaveLength(3)
  })

  it('is read again and again until it is what is waited for', async () => {
    const found = vm.waitForText(/please +sign +in/i, { timeout: 120 })
    await vm.succeed("echo 'Welcome! Please sign in' >/dev/tty1")
    expect(await found).toBe('Please sign in')
  })

  it('is in the error when a wait for other text fails', async () => {
    await inVain(
      (timeout) => vm.waitForText('submarine', { timeout }),
      /"submarine" on the screen: did not come within \d+ seconds, it reads:[^]*brown fox/,
    )
  })
})

describe('keys', () => {
  it('make every character that a US keyboard has', async () => {
    const all = String.raw`abcxyz ABCXYZ 0123456789 )!@#$%^&*( -_=+ [{]} \| ;: "'"'"'" ~ , . < > / ?`
    await vm.sendChars(`printf '%s\\n' '${all}' >/tmp/typed\n`)
    await vm.waitForFile('/tmp/typed', { timeout: 60 })
    expect(await vm.succeed('cat /tmp/typed')).toBe(`${all.replaceAll(`'"'"'`, "'")}\n`)
  })

  it('are all read, however many there are', async () => {
    const word = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ'.repeat(6)
    await vm.sendChars(`echo ${word} >/tmp/many; touch /tmp/done\n`, { delay: 0 })
    await vm.waitForFile('/tmp/done', { timeout: 60 })
    expect(await vm.succeed('cat /tmp/many')).toBe(`${word}\n`)
  })

  it('wait until the guest reads them', async () => {
    // The keyboard controller's setting (command 0x60): without its interrupt, the guest does not read its bytes.
    const interrupts = (setting: string): Promise<string> =>
      vm.succeed(`poke() { printf "$2" | ${BUSYBOX} dd of=/dev/port bs=1 seek=$1 2>/dev/null; }
        poke 100 '\\140'; poke 96 '${setting}'`)
    await interrupts('\\106')
    const word = 'lostUnlessRead'
    const over: string[] = []
    const typed = vm
      .sendChars(`echo ${word} >/tmp/late; touch /tmp/read\n`)
      .then(() => over.push('typed'))
    for (let i = 0; i < 3; i++) await vm.succeed('true')
    expect(over).toEqual([])
    await interrupts('\\107')
    await typed
    await vm.waitForFile('/tmp/read', { timeout: 60 })
    expect(await vm.succeed('cat /tmp/late')).toBe(`${word}\n`)
  })

  it('are pressed at once where one holds the other', async () => {
    await vm.sendChars('sleep 1000; echo status $?\n')
    await vm.waitUntilSucceeds('pgrep -x sleep', { timeout: 60 })
    await vm.sendKey('ctrl-c')
    await vm.waitUntilTtyMatches(1, /^\^C/m, { timeout: 60 })
    await vm.waitUntilTtyMatches(1, /guest% $|guest%$/, { timeout: 60 })
    await vm.sendKey('ctrl-l')
    await vm.sendKey('x')
    await vm.waitUntilTtyMatches(1, /^guest% x$/, { timeout: 60 })
    await vm.sendKey('backspace')
  })

  it('change the terminal', async () => {
    await vm.succeed('echo opened >/dev/tty2')
    await vm.sendKey('alt-f2')
    await vm.waitUntilSucceeds('grep -q tty2 /sys/class/tty/tty0/active', { timeout: 60 })
    await vm.sendKey('alt-f1')
    await vm.waitUntilSucceeds('grep -q tty1 /sys/class/tty/tty0/active', { timeout: 60 })
  })

  it('are named in an error if they do not exist', async () => {
    await expect(vm.sendKey('ctrl-nonsense')).rejects.toThrow(/ctrl-nonsense.*'nonsense'.*QKeyCode/)
    await expect(vm.sendChars('é')).rejects.toThrow('US keyboard')
  })
})

describe("a terminal's text", () => {
  it('is read in characters', async () => {
    await vm.succeed(`printf '\\033[2J\\033[Hgrüße\\n  → done\\n' >/dev/tty3`)
    expect(await vm.getTtyText(3)).toBe('grüße\n  → done')
  })

  it('is not there before a process has opened it', async () => {
    await expect(vm.getTtyText(9)).rejects.toThrow(/tty9: cannot be read.*vcsa9/)
    await expect(vm.getTtyText(0)).rejects.toThrow(RangeError)
  })

  it('is in the error when a wait for other text fails', async () => {
    await vm.succeed(`printf '\\033[2J\\033[Hsomething' >/dev/tty3`)
    await inVain(
      (timeout) => vm.waitUntilTtyMatches(3, /else/, { timeout }),
      /\/else\/ on tty3: did not come within \d+ seconds, it shows:\nsomething/,
    )
  })
})
