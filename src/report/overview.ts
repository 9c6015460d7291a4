import { count, duration } from '../util/format.ts'
import { type Html, html } from './html.ts'
import type { MachineFolder } from './machine-folder.ts'
import { type TestRun, totalsOf } from './results.ts'

/** The run in one line, for the head of the page. */
export function summary(run: TestRun, machines: readonly MachineFolder[]): Html {
  const { passed, failed, skipped, interrupted } = totalsOf(run.files)
  const emulated = machines.filter(({ history }) => history.made.accelerator === 'tcg').length
  return html`<p class="totals">
      <span class="badge failed">${failed} failed</span>
      <span class="badge passed">${passed} passed</span>
      <span class="badge skipped">${skipped} skipped</span>
      ${interrupted > 0 && html`<span class="badge interrupted">${interrupted} interrupted</span>`}
      <span>in ${duration(run.duration)}</span>
      <span>
        ${count(machines.length, 'machine')}${emulated > 0 && `, ${emulated} of them emulated (TCG)`}
      </span>
      <time datetime="${new Date(run.start).toISOString()}">${dateOf(run.start)}</time>
    </p>
    ${run.interrupted !== undefined && html`<p class="warning">${run.interrupted}</p>`}`
}

/** The page that lists every file and every machine of the run. */
export function overview(run: TestRun, machines: readonly MachineFolder[]): Html {
  const isInterrupted = run.interrupted !== undefined
  return html`<article aria-labelledby="overview-title">
    <h2 id="overview-title" tabindex="-1">Overview</h2>
    ${table(
      ['File', 'Failed', 'Passed', 'Skipped', ...(isInterrupted ? ['Interrupted'] : []), 'Time'],
      run.files.map((file) => {
        const { passed, failed, skipped, interrupted } = totalsOf([file])
        return html`<tr class="${failed > 0 && 'failed'}">
          <th scope="row">${file.name}</th>
          <td>${failed}</td>
          <td>${passed}</td>
          <td>${skipped}</td>
          ${isInterrupted && html`<td>${interrupted}</td>`}
          <td>${duration(file.duration)}</td>
        </tr>`
      }),
    )}
    ${table(
      ['Machine', 'Accelerator', 'QEMU', 'Lived'],
      machines.map(({ history: { made, qemu, start, end } }) => {
        return html`<tr>
          <th scope="row">${made.name}</th>
          <td>${made.accelerator}</td>
          <td>${qemu.at(-1)?.version}</td>
          <td>${duration(end - start)}</td>
        </tr>`
      }),
    )}
  </article>`
}

/** Nothing where there are no rows. */
function table(columns: readonly string[], rows: readonly Html[]): Html | false {
  return (
    rows.length > 0 &&
    html`<table>
      <thead>
        <tr>
          ${columns.map((column) => html`<th scope="col">${column}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows}
      </tbody>
    </table>`
  )
}

function dateOf(time: number): string {
  return `${new Date(time).toISOString().slice(0, 19).replace('T', ' ')} UTC`
}
