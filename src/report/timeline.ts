import { describeEntry } from './describe-entry.ts'
import { duration, offset } from '../util/format.ts'
import type { Entry, MachineHistory, SpanEntry } from './history.ts'
import { type Html, html } from './html.ts'
import { lanesOf } from './lanes.ts'

/** A machine's track in the timeline. */
interface Track {
  /** The prefix of the ids of its entries, see {@link entryId}. */
  readonly id: string
  readonly name: string
  readonly history: MachineHistory
}

/** Roughly how many marks the axis has. */
const MARKS = 8

/** The id of the element that shows an entry of a machine in full. */
export function entryId(machine: string, index: number): string {
  return `${machine}-e${index}`
}

/** What the machines did, on one axis of time: a bar for a span, a diamond for a moment. */
export function timeline(tracks: readonly Track[]): Html {
  const start = Math.min(...tracks.map(({ history }) => history.start))
  const end = Math.max(...tracks.map(({ history }) => history.end))
  const scale = new Scale(start, Math.max(end - start, 1))
  const first = tracks.find(({ history }) => history.entries.length > 0)
  return html`<section class="timeline" aria-label="Timeline">
    <p class="tools">
      <button type="button" data-zoom="0.5">Zoom out</button>
      <button type="button" data-zoom="2">Zoom in</button>
      <button type="button" data-zoom="fit">Fit</button>
      <span class="hint">Arrow keys go from bar to bar, Enter opens one.</span>
    </p>
    <div class="scroller">
      <div class="canvas">
        ${axis(scale)} ${tracks.map((track) => trackHtml(track, track === first, scale))}
      </div>
    </div>
  </section>`
}

/** Places on the axis, in percent. */
class Scale {
  readonly start: number
  /** Milliseconds. */
  readonly length: number

  constructor(start: number, length: number) {
    this.start = start
    this.length = length
  }

  at(time: number): number {
    return this.width(time - this.start)
  }

  width(milliseconds: number): number {
    return Math.round((milliseconds / this.length) * 100_000) / 1000
  }
}

function axis(scale: Scale): Html {
  const rough = scale.length / MARKS
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = power * ([1, 2, 5].find((factor) => power * factor >= rough) ?? 10)
  const marks = Array.from({ length: Math.floor(scale.length / step) + 1 }, (_, i) => i * step)
  return html`<div class="axis" aria-hidden="true">
    ${marks.map((mark) => html`<span style="left:${scale.width(mark)}%">${axisLabel(mark)}</span>`)}
  </div>`
}

function axisLabel(milliseconds: number): string {
  return `${Math.round(milliseconds) / 1000} s`
}

function trackHtml({ id, name, history }: Track, isFirst: boolean, scale: Scale): Html {
  const rows = rowsOf(history.entries, scale.length)
  const height = Math.max(0, ...rows) + 1
  return html`<div class="track">
    <p class="track-name">${name}</p>
    <div class="lanes" style="--rows:${height}">
      ${history.entries.map((entry, index) =>
        bar(
          entry,
          entryId(id, index),
          { row: rows[index] ?? 0, isFirst: isFirst && index === 0 },
          history.start,
          scale,
        ),
      )}
    </div>
  </div>`
}

/** The row of each entry: moments in the first, then steps, then all others, each group in as few rows as possible. */
function rowsOf(entries: readonly Entry[], length: number): number[] {
  const indexes = [...entries.keys()]
  const isStep = (index: number): boolean => entries[index]?.kind === 'step'
  const others = indexes.filter((index) => entries[index]?.kind !== 'moment' && !isStep(index))
  const steps = indexes.filter(isStep)
  const moments = indexes.length - others.length - steps.length
  // The least width of a bar, so that short spans are visible.
  const gap = length / 400

  const rows = Array.from(entries, () => 0)
  let used = moments > 0 ? 1 : 0
  for (const group of [steps, others]) {
    const spans = group.map((index) => entries[index] as SpanEntry)
    const lanes = lanesOf(spans, gap)
    for (const [at, index] of group.entries()) rows[index] = used + (lanes[at] ?? 0)
    used += Math.max(-1, ...lanes) + 1
  }
  return rows
}

/** The button of an entry. @param place `isFirst`: whether Tab leads to it; arrow keys lead to all others. */
function bar(
  entry: Entry,
  id: string,
  place: { readonly row: number; readonly isFirst: boolean },
  start: number,
  scale: Scale,
): Html {
  const { row, isFirst } = place
  const { text, outcome, state } = describeEntry(entry)
  const took = entry.kind === 'moment' ? '' : `, ${duration(entry.end - entry.start)}`
  const what = outcome === '' ? text : `${text}: ${outcome}`
  const title = `${what} (at ${offset(entry.start - start)}${took})`
  const width = entry.kind === 'moment' ? '' : `;width:${scale.width(entry.end - entry.start)}%`
  return html`<button
    type="button"
    class="bar ${entry.kind} ${state}"
    style="left:${scale.at(entry.start)}%${width};--row:${row}"
    tabindex="${isFirst ? 0 : -1}"
    data-opens="${id}"
    title="${title}"
    aria-label="${title}"
  >
    ${entry.kind === 'moment' ? '' : text}
  </button>`
}
