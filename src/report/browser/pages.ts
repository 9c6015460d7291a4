// Shows the page that the URL's fragment names: `#overview`, `#t3`, or an element within a page, `#t3-m0-e17`.
// A page is a template until it is shown.

const main = document.querySelector('main')
const links = [...document.querySelectorAll<HTMLAnchorElement>('nav a')]

function show(): void {
  const target = location.hash.slice(1) || firstPage()
  const [page = ''] = target.split('-')
  const template = document.getElementById(`${page}-page`)
  if (main === null || !(template instanceof HTMLTemplateElement)) return
  if (main.dataset['page'] !== page) {
    main.dataset['page'] = page
    main.replaceChildren(template.content.cloneNode(true))
    main.scrollTop = 0
    for (const link of links) {
      if (link.hash === `#${page}`) link.setAttribute('aria-current', 'page')
      else link.removeAttribute('aria-current')
    }
  }
  const element = target === page ? undefined : document.getElementById(target)
  if (element) element.dispatchEvent(new CustomEvent('reveal', { bubbles: true }))
}

/** The first failure, since most readers look for it; the overview if there is none. */
function firstPage(): string {
  const failed = document.querySelector<HTMLAnchorElement>('nav [data-tags~=failed] a')
  return failed?.hash.slice(1) ?? 'overview'
}

addEventListener('hashchange', () => {
  show()
  main?.querySelector('h2')?.focus({ preventScroll: true })
})
show()
