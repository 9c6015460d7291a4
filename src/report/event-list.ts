import type { CommandOutput } from '../record/event.ts'
import { describeEntry } from './describe-entry.ts'
import { count, duration, offset, size } from '../util/format.ts'
import type { CommandEntry, Entry, MachineHistory } from './history.ts'
import { filterTools } from './filter-tools.ts'
import { type Html, html } from './html.ts'
import { preformatted, terminalText } from './text-view.ts'
import { entryId } from './timeline.ts'

const choices = [
  ['', 'All'],
  ['command', 'Commands'],
  ['wait', 'Waits'],
  ['step', 'Steps'],
  ['notable', 'Notable'],
] as const

/** The list of everything that a machine did, in order; entries can be opened and searched. */
export function eventList(id: string, { entries, start }: MachineHistory): Html {
  const search = { placeholder: 'Search events and output', label: 'Search events' }
  return html`${filterTools(`${id}-list`, search, choices, count(entries.length, 'event'))}
    <div class="entries" id="${id}-list">
      ${entries.map((entry, index) => entryHtml(entry, entryId(id, index), start))}
    </div>`
}

function entryHtml(entry: Entry, id: string, start: number): Html {
  const { text, outcome, state } = describeEntry(entry)
  const depth = entry.kind === 'moment' ? 0 : entry.depth
  const tags = state === 'good' ? entry.kind : `${entry.kind} notable`
  return html`<details class="entry ${entry.kind} ${state}" id="${id}" data-tags="${tags}">
    <summary>
      <span class="at">${offset(entry.start - start)}</span>
      <span class="what" style="--depth:${depth}">${text}</span>
      <span class="outcome">${outcome}</span>
      <span class="took">${entry.kind === 'moment' ? '' : duration(entry.end - entry.start)}</span>
    </summary>
    ${body(entry, start)}
  </details>`
}

function body(entry: Entry, start: number): Html {
  switch (entry.kind) {
    case 'command':
      return commandBody(entry)
    case 'boot':
      return html`<ul>
        ${entry.phases.map(
          ({ time, phase }) =>
            html`<li><span class="at">${offset(time - start)}</span> ${phase}</li>`,
        )}
      </ul>`
    case 'step':
    case 'wait':
      return html`<p>${entry.failure ?? (entry.isOver ? 'done' : 'not over')}</p>`
    case 'moment':
      return html`<p>${describeEntry(entry).text}</p>`
  }
}

function commandBody({ line, output, ended, failure }: CommandEntry): Html {
  const facts = [
    line.user !== undefined && `user ${line.user}`,
    line.cwd !== undefined && `in ${line.cwd}`,
    ended === undefined ? 'not over' : endOf(ended),
    failure,
  ].filter((fact) => typeof fact === 'string')
  return html`${preformatted(line.text)}
    <p class="facts">${facts.join(' · ')}</p>
    ${(['stdout', 'stderr'] as const).map((name) =>
      stream(
        name,
        output.filter((part) => part.stream === name),
      ),
    )}`
}

function endOf({ exitCode, signal }: NonNullable<CommandEntry['ended']>): string {
  if (signal !== undefined) return `ended by ${signal}`
  return exitCode === null ? 'no exit status' : `exit status ${exitCode}`
}

function stream(name: string, parts: readonly CommandOutput[]): Html | undefined {
  if (parts.length === 0) return undefined
  return html`<h5>${name}</h5>
    ${preformatted(parts.map(partHtml), name)}`
}

function partHtml({ text, base64, skipped }: CommandOutput): Html {
  const gap =
    skipped !== undefined &&
    html`<span class="gap">${'\n'}[${size(skipped)} left out]${'\n'}</span>`
  if (base64 === undefined) return html`${gap}${terminalText(text ?? '')}`
  return html`${gap}<span class="binary" title="bytes that are not text, in base64"
      >${base64}</span
    >`
}
