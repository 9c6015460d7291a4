// Shows the items of a list that have a tag and contain a text. A filter is an element with
// `data-filter="<id of the list>"` that has a search field, a button for each tag, and an output.

function apply(filter: HTMLElement): void {
  const list = document.getElementById(filter.dataset['filter'] ?? '')
  if (list === null) return
  const wanted = filter.querySelector('input')?.value.trim().toLowerCase() ?? ''
  const tag = filter.querySelector<HTMLElement>('[aria-pressed=true]')?.dataset['tag'] ?? ''
  let shown = 0
  for (const item of list.children) {
    if (!(item instanceof HTMLElement)) continue
    const hasTag = tag === '' || (item.dataset['tags'] ?? '').split(' ').includes(tag)
    const isWanted =
      hasTag && (wanted === '' || (item.textContent ?? '').toLowerCase().includes(wanted))
    item.hidden = !isWanted
    if (isWanted) shown += 1
  }
  const output = filter.querySelector('output')
  if (output !== null) output.value = `${shown} of ${list.children.length}`
}

document.addEventListener('input', ({ target }) => {
  const filter = target instanceof Element && target.closest<HTMLElement>('[data-filter]')
  if (filter) apply(filter)
})

document.addEventListener('click', ({ target }) => {
  const button = target instanceof Element && target.closest('[data-filter] [data-tag]')
  const filter = button && button.closest<HTMLElement>('[data-filter]')
  if (!filter) return
  for (const each of filter.querySelectorAll('[data-tag]')) {
    each.setAttribute('aria-pressed', String(each === button))
  }
  apply(filter)
})
