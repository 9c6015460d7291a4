import { type Html, html } from './html.ts'

/** What a list is filtered by: the tag of its entries, and what a button says for it; no tag is all of them. */
export type FilterChoices = readonly (readonly [tag: string, label: string])[]

/**
 * The search field and the buttons of a list (browser/filter.ts).
 *
 * @param list the id of the list.
 * @param search what is searched for, as the field says it and as it is called.
 * @param found how many there are, if that is to be seen before anybody has searched.
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
