import { setTimeout as sleep } from 'node:timers/promises'
import type { Devtools } from './devtools.ts'

/** How long something may take to appear, in milliseconds. */
const PATIENCE = 60_000

/** A page of a browser, used as a person uses it: with a mouse and a keyboard. */
export class Page {
  /** What went wrong in it: uncaught errors, and what its security policy has refused. */
  readonly complaints: string[] = []
  readonly #devtools: Devtools
  readonly #session: string

  private constructor(devtools: Devtools, session: string) {
    this.#devtools = devtools
    this.#session = session
    devtools.listen(({ method, params = {}, sessionId }) => {
      if (sessionId !== session) return
      if (method === 'Runtime.exceptionThrown' || method === 'Log.entryAdded') {
        this.complaints.push(JSON.stringify(params))
      }
    })
  }

  /** Opens a page in a browser, and resolves when it is loaded. */
  static async open(
    devtools: Devtools,
    url: string,
    { width, height } = { width: 1280, height: 900 },
  ): Promise<Page> {
    const { targetId } = await devtools.send('Target.createTarget', { url: 'about:blank' })
    const { sessionId } = await devtools.send('Target.attachToTarget', { targetId, flatten: true })
    const page = new Page(devtools, sessionId as string)
    await page.#send('Runtime.enable')
    await page.#send('Log.enable')
    await page.#send('Page.enable')
    const metrics = { width, height, deviceScaleFactor: 1, mobile: false }
    await page.#send('Emulation.setDeviceMetricsOverride', metrics)
    const loaded = new Promise<void>((resolve) => {
      const stop = devtools.listen(({ method, sessionId: of }) => {
        if (of !== sessionId || method !== 'Page.loadEventFired') return
        stop()
        resolve()
      })
    })
    await page.#send('Page.navigate', { url })
    await loaded
    return page
  }

  /** The value of an expression, as JSON has it. */
  async evaluate<T>(expression: string): Promise<T> {
    const { result, exceptionDetails } = await this.#send('Runtime.evaluate', {
      expression,
      returnByValue: true,
      awaitPromise: true,
    })
    if (exceptionDetails !== undefined) throw new Error(JSON.stringify(exceptionDetails))
    return (result as { value: T }).value
  }

  /** The texts of all elements that a person sees, as they see them. */
  async texts(selector: string): Promise<string[]> {
    return this.evaluate(`(async () => {
      // What has just come into view is rendered with the next frame.
      for (const _ of [1, 2]) await new Promise(requestAnimationFrame)
      return [...document.querySelectorAll(${JSON.stringify(selector)})]
        .filter((element) => element.checkVisibility())
        .map((element) => element.innerText.trim())
    })()`)
  }

  /** Waits until `expression` is true. */
  async until(expression: string): Promise<void> {
    const end = performance.now() + PATIENCE
    while (!(await this.evaluate<boolean>(`Boolean(${expression})`))) {
      if (performance.now() > end) throw new Error(`never true: ${expression}`)
      await sleep(20)
    }
  }

  /**
   * Clicks in the middle of the one visible element that matches and has this text. It is scrolled to
   * first.
   *
   * @throws Error where there are none or several, or something else is in front.
   */
  async click(selector: string, text = ''): Promise<void> {
    const place = await this.evaluate<{ x: number; y: number } | string>(`(() => {
      const found = [...document.querySelectorAll(${JSON.stringify(selector)})].filter((element) =>
        element.checkVisibility() && element.textContent.includes(${JSON.stringify(text)}))
      if (found.length !== 1) return found.length + ' elements'
      found[0].scrollIntoView({ block: 'center', inline: 'center' })
      const { x, y, width, height } = found[0].getBoundingClientRect()
      const place = { x: x + width / 2, y: y + height / 2 }
      const there = document.elementFromPoint(place.x, place.y)
      return found[0].contains(there) ? place : 'covered by ' + there?.outerHTML
    })()`)
    if (typeof place === 'string') throw new Error(`${selector} "${text}": ${place}`)
    const press = { ...place, button: 'left', clickCount: 1 }
    await this.#send('Input.dispatchMouseEvent', { type: 'mouseMoved', ...place })
    await this.#send('Input.dispatchMouseEvent', { type: 'mousePressed', ...press })
    await this.#send('Input.dispatchMouseEvent', { type: 'mouseReleased', ...press })
  }

  /** Types a text where the focus is. */
  async type(text: string): Promise<void> {
    await this.#send('Input.insertText', { text })
  }

  /** Presses a key by its name, such as `Enter` or `ArrowRight`. */
  async press(key: string, { shift = false } = {}): Promise<void> {
    const text = key === 'Enter' ? { text: '\r' } : {}
    const event = { key, code: key, modifiers: shift ? 8 : 0, windowsVirtualKeyCode: codes[key] }
    await this.#send('Input.dispatchKeyEvent', { type: 'keyDown', ...event, ...text })
    await this.#send('Input.dispatchKeyEvent', { type: 'keyUp', ...event })
  }

  /** What it looks like, as a PNG. */
  async screenshot(): Promise<Buffer> {
    const { data } = await this.#send('Page.captureScreenshot')
    return Buffer.from(data as string, 'base64')
  }

  /** Whether the person likes light or dark pages. */
  async prefer(scheme: 'light' | 'dark'): Promise<void> {
    const features = [{ name: 'prefers-color-scheme', value: scheme }]
    await this.#send('Emulation.setEmulatedMedia', { features })
  }

  #send(method: string, params?: object): Promise<Readonly<Record<string, unknown>>> {
    return this.#devtools.send(method, params, this.#session)
  }
}

/** The numbers that Windows gives to keys, which is what Chromium goes by. */
const codes: Readonly<Record<string, number>> = {
  Tab: 9,
  Enter: 13,
  ArrowLeft: 37,
  ArrowUp: 38,
  ArrowRight: 39,
  ArrowDown: 40,
}
