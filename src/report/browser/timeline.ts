// A timeline: a bar opens its entry, arrow keys go from bar to bar, and buttons change the scale.

const MOST = 64

function open(id: string): void {
  const entry = document.getElementById(id)
  if (!(entry instanceof HTMLDetailsElement)) return
  // It may be in a tab that is not shown, or hidden by a filter.
  entry.dispatchEvent(new CustomEvent('reveal', { bubbles: true }))
  entry.hidden = false
  entry.open = true
  entry.scrollIntoView({ block: 'center' })
  entry.querySelector('summary')?.focus({ preventScroll: true })
}

function zoom(timeline: Element, by: string): void {
  const canvas = timeline.querySelector<HTMLElement>('.canvas')
  const scroller = timeline.querySelector('.scroller')
  if (canvas === null || scroller === null) return
  const before = Number(canvas.style.getPropertyValue('--zoom') || 1)
  const after = by === 'fit' ? 1 : Math.min(MOST, Math.max(1, before * Number(by)))
  // Keeps the time in the middle where it is.
  const middle = (scroller.scrollLeft + scroller.clientWidth / 2) / before
  canvas.style.setProperty('--zoom', String(after))
  scroller.scrollLeft = middle * after - scroller.clientWidth / 2
}

/** Makes a bar the one that Tab leads to; the others of its timeline are reached with arrow keys. */
function makeCurrent(bar: HTMLElement): void {
  for (const other of bar
    .closest('.timeline')
    ?.querySelectorAll<HTMLElement>('.bar[tabindex="0"]') ?? []) {
    other.tabIndex = -1
  }
  bar.tabIndex = 0
}

/** The bar that an arrow key leads to: along the row, or to the nearest one of another row. */
function neighbour(bar: HTMLElement, key: string): HTMLElement | undefined {
  const bars = [...(bar.closest('.timeline')?.querySelectorAll<HTMLElement>('.bar') ?? [])]
  if (key === 'ArrowRight') return bars[bars.indexOf(bar) + 1]
  if (key === 'ArrowLeft') return bars[bars.indexOf(bar) - 1]
  const down = key === 'ArrowDown'
  const here = bar.getBoundingClientRect()
  let best: HTMLElement | undefined
  let bestDistance = Infinity
  for (const other of bars) {
    const there = other.getBoundingClientRect()
    const rows = down ? there.top - here.top : here.top - there.top
    const distance = rows * 1000 + Math.abs(there.left - here.left)
    if (rows > 10 && distance < bestDistance) {
      best = other
      bestDistance = distance
    }
  }
  return best
}

document.addEventListener('click', ({ target }) => {
  if (!(target instanceof Element)) return
  const bar = target.closest<HTMLElement>('[data-opens]')
  if (bar !== null) {
    makeCurrent(bar)
    open(bar.dataset['opens'] ?? '')
  }
  const by = target.closest<HTMLElement>('[data-zoom]')?.dataset['zoom']
  const timeline = target.closest('.timeline')
  if (by !== undefined && timeline !== null) zoom(timeline, by)
})

document.addEventListener('keydown', (event) => {
  const { target, key } = event
  if (!(target instanceof HTMLElement) || !target.matches('.bar') || !key.startsWith('Arrow'))
    return
  event.preventDefault()
  const next = neighbour(target, key)
  if (next === undefined) return
  makeCurrent(next)
  next.focus()
})

document.addEventListener('reveal', ({ target }) => {
  if (target instanceof HTMLDetailsElement) target.open = true
})
