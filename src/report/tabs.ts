import { type Html, html } from './html.ts'

/** One of several views of which one is shown at a time. */
interface Tab {
  readonly title: string
  readonly content: Html
}

/**
 * Tabs, after the ARIA pattern of that name. The first is shown; browser/tabs.ts changes that.
 *
 * @param id unique within the page.
 */
export function tabs(id: string, label: string, choices: readonly (Tab | false)[]): Html {
  const shown = choices.filter((choice) => choice !== false)
  return html`<div role="tablist" aria-label="${label}">
      ${shown.map(
        ({ title }, index) =>
          html`<button
            type="button"
            role="tab"
            id="${id}-tab${index}"
            aria-controls="${id}-panel${index}"
            aria-selected="${String(index === 0)}"
            tabindex="${index === 0 ? 0 : -1}"
          >
            ${title}
          </button>`,
      )}
    </div>
    ${shown.map(
      ({ content }, index) =>
        html`<div
          role="tabpanel"
          id="${id}-panel${index}"
          aria-labelledby="${id}-tab${index}"
          ${index > 0 && html`hidden`}
        >
          ${content}
        </div>`,
    )}`
}
