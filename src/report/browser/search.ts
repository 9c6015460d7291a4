// Searches a long text: `[data-search]` has a search field, the lines, and an output. Lines that contain the text are
// marked; Enter and the buttons go from one to the next.

interface Search {
  readonly hits: readonly Element[]
  current: number
}

const searches = new WeakMap<Element, Search>()

function search(view: Element): void {
  const wanted = view.querySelector('input')?.value.toLowerCase() ?? ''
  const lines = [...view.querySelectorAll('.line')]
  const hits: Element[] = []
  for (const line of lines) {
    const isHit = wanted !== '' && (line.textContent ?? '').toLowerCase().includes(wanted)
    line.classList.toggle('hit', isHit)
    line.classList.remove('now')
    if (isHit) hits.push(line)
  }
  searches.set(view, { hits, current: -1 })
  highlight(hits, wanted)
  step(view, 1)
}

/** Marks the words themselves, in browsers that can do so without changing the document (CSS Custom Highlight API). */
function highlight(hits: readonly Element[], wanted: string): void {
  if (!('highlights' in CSS)) return
  const ranges = hits.flatMap((line) => rangesIn(line, wanted))
  CSS.highlights.set('found', new Highlight(...ranges))
}

function rangesIn(line: Element, wanted: string): Range[] {
  const ranges: Range[] = []
  const texts = document.createTreeWalker(line, NodeFilter.SHOW_TEXT)
  for (let node = texts.nextNode(); node !== null; node = texts.nextNode()) {
    const text = (node.textContent ?? '').toLowerCase()
    for (let at = text.indexOf(wanted); at >= 0; at = text.indexOf(wanted, at + wanted.length)) {
      const range = new Range()
      range.setStart(node, at)
      range.setEnd(node, at + wanted.length)
      ranges.push(range)
    }
  }
  return ranges
}

function step(view: Element, by: number): void {
  const found = searches.get(view)
  const output = view.querySelector('output')
  if (found === undefined || output === null) return
  const { hits, current } = found
  if (hits.length === 0) {
    output.value = view.querySelector('input')?.value === '' ? '' : 'not found'
    return
  }
  hits[current]?.classList.remove('now')
  found.current = (current + by + hits.length) % hits.length
  const line = hits[found.current]
  line?.classList.add('now')
  line?.scrollIntoView({ block: 'nearest' })
  output.value = `${found.current + 1} of ${hits.length}`
}

function viewOf(target: EventTarget | null): Element | null {
  return target instanceof Element ? target.closest('[data-search]') : null
}

document.addEventListener('input', ({ target }) => {
  const view = viewOf(target)
  if (view !== null) search(view)
})

document.addEventListener('keydown', (event) => {
  const view = viewOf(event.target)
  if (view === null || event.key !== 'Enter' || !(event.target instanceof HTMLInputElement)) return
  event.preventDefault()
  step(view, event.shiftKey ? -1 : 1)
})

document.addEventListener('click', ({ target }) => {
  const button = target instanceof Element ? target.closest<HTMLElement>('[data-step]') : null
  const view = viewOf(button)
  if (button !== null && view !== null) step(view, Number(button.dataset['step']))
})
