import { duration } from '../util/format.ts'
import { type Html, html } from './html.ts'
import { machineView } from './machine-view.ts'
import { preformatted, terminalText } from './text-view.ts'
import type { Subject } from './subject.ts'
import { tabs } from './tabs.ts'
import { timeline } from './timeline.ts'

/** The page of a subject. */
export function subjectView(subject: Subject): Html {
  const { id, title, file, status, failure, output, machines } = subject
  const named = machines.map((machine, index) => ({
    id: `${id}-m${index}`,
    name: machine.history.made.name,
    machine,
  }))
  return html`<article aria-labelledby="${id}-title">
    <h2 id="${id}-title" tabindex="-1">${title}</h2>
    <p class="facts">
      <span class="badge ${status}">${status}</span>
      ${subject.duration !== undefined && duration(subject.duration)}
      ${file !== undefined && html`<span class="path">${file}</span>`} ${subject.reason}
    </p>
    ${
      failure &&
      html`<section class="failure">
        <h3>What failed</h3>
        ${preformatted(terminalText(failure.text))}
      </section>`
    }
    ${
      output !== undefined &&
      output !== '' &&
      html`<section>
        <h3>What it printed</h3>
        ${preformatted(terminalText(output))}
      </section>`
    }
    ${
      machines.length > 0 &&
      html`${timeline(named.map(({ machine, ...track }) => ({ ...track, history: machine.history })))}
        <section aria-label="Machines">
          ${tabs(
            `${id}-machines`,
            'Machines',
            named.map((each) => ({
              title: each.name,
              content: machineView(each.id, each.machine),
            })),
          )}
        </section>`
    }
  </article>`
}
