// Tabs by the ARIA pattern: a click or the arrow keys choose one. The event `reveal` on an element chooses the tabs
// that the element is in.

function choose(tab: HTMLElement): void {
  for (const other of tab.parentElement?.querySelectorAll<HTMLElement>('[role=tab]') ?? []) {
    const isChosen = other === tab
    other.setAttribute('aria-selected', String(isChosen))
    other.tabIndex = isChosen ? 0 : -1
    const panel = document.getElementById(other.getAttribute('aria-controls') ?? '')
    if (panel !== null) panel.hidden = !isChosen
  }
}

function tabOf(target: EventTarget | null): HTMLElement | null {
  return target instanceof Element ? target.closest<HTMLElement>('[role=tab]') : null
}

const steps: Readonly<Record<string, number>> = { ArrowLeft: -1, ArrowRight: 1 }

document.addEventListener('click', ({ target }) => {
  const tab = tabOf(target)
  if (tab !== null) choose(tab)
})

document.addEventListener('keydown', (event) => {
  const tab = tabOf(event.target)
  const step = steps[event.key]
  if (tab === null || step === undefined) return
  event.preventDefault()
  const all = [...(tab.parentElement?.querySelectorAll<HTMLElement>('[role=tab]') ?? [])]
  const next = all.at((all.indexOf(tab) + step) % all.length)
  if (next === undefined) return
  choose(next)
  next.focus()
})

document.addEventListener('reveal', ({ target }) => {
  let panel = target instanceof Element ? target.closest('[role=tabpanel]') : null
  while (panel !== null) {
    const tab = document.getElementById(panel.getAttribute('aria-labelledby') ?? '')
    if (tab !== null) choose(tab)
    panel = panel.parentElement?.closest('[role=tabpanel]') ?? null
  }
})
