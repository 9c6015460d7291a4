import { type Html, html } from './html.ts'

/** The buttons of a filter: the tag of the entries that a button shows, and its label. An empty tag shows all. */
export type FilterChoices = readonly (readonly [tag: string, label: string])[]

/**
 * The search field and the buttons of a list. browser/filter.ts makes them work.
 *
 * @param list the id of the list.
 * @param search the placeholder of the search field, and its label for screen readers.
 * @param found how many entries there are, if that is shown before the first search.
 */
export function filterTools(
  list: string,
  search: { readonly placeholder: string; readonly label: string },
  choices: FilterChoices,
  found = '',
): Html {
  return html`<div data-filter="${list}">
    <p class="tools">
      <input type="search" placeholder="${search.placeholder}" aria-label="${search.label}" />
      ${choices.map(
        ([tag, label]) =>
          html`<button type="button" data-tag="${tag}" aria-pressed="${String(tag === '')}">
            ${label}
          </button>`,
      )}
      <output>${found}</output>
    </p>
  </div>`
}
