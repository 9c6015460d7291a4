import { shellCommand } from '../util/shell.ts'
import { describeGap } from './describe-entry.ts'
import { eventList } from './event-list.ts'
import { count, size as sizeOf } from '../util/format.ts'
import { type Html, html } from './html.ts'
import type { FoundFile, MachineFolder } from './machine-folder.ts'
import { tabs } from './tabs.ts'
import { preformatted, textView } from './text-view.ts'

/** The view of one machine: its events, console, screenshots, journal and network captures. */
export function machineView(id: string, machine: MachineFolder): Html {
  const { history, images, captures, journal } = machine
  const { start, end, console } = history
  return html`<p class="facts">
      ${accelerator(machine)} · ${count(Math.round((end - start) / 1000), 'second')} ·
      <span class="path">${machine.path}</span>
      ${
        machine.brokenLines > 0 &&
        html`· <strong>${count(machine.brokenLines, 'line')} of its record cannot be read</strong>`
      }
    </p>
    ${machine.problems.map((problem) => html`<p class="warning">${problem}</p>`)}
    ${tabs(`${id}-views`, 'What to show', [
      { title: 'Events', content: eventList(id, history) },
      {
        title: 'Console',
        content: textView(
          'the console',
          console.map(({ time, line, leftOut }) =>
            leftOut === undefined
              ? { text: line, at: time - start }
              : { text: describeGap(leftOut, 'line'), isGap: true },
          ),
        ),
      },
      images.length > 0 && {
        title: `Screenshots (${images.length})`,
        content: html`${images.map((image) => screenshot(history.made.name, image))}`,
      },
      journal.length > 0 && { title: 'Journal', content: journalView(journal) },
      { title: 'QEMU', content: qemuView(machine) },
      captures.length > 0 && {
        title: `Network (${captures.length})`,
        content: html`<ul>
          ${captures.map((capture) => html`<li>${download(capture)}</li>`)}
        </ul>`,
      },
    ])}`
}

function journalView(parts: readonly FoundFile[]): Html {
  const lines = parts.flatMap(({ path, size, content }) =>
    content === undefined
      ? [{ text: `${path} (${sizeOf(size)}) is too large for this page`, isGap: true }]
      : content
          .toString()
          .trimEnd()
          .split('\n')
          .map((text) => ({ text })),
  )
  return textView('the journal', lines)
}

function accelerator({ history: { made } }: MachineFolder): Html {
  const reason = made.acceleratorReason
  const words = made.accelerator === 'kvm' ? 'KVM' : 'emulated (TCG), which is slow'
  return html`<span class="${made.accelerator}">${words}</span>${reason && `: ${reason}`}`
}

function screenshot(name: string, { name: file, path, size, content }: FoundFile): Html {
  if (content === undefined) return html`<p>${file} (${sizeOf(size)}) is in ${path}.</p>`
  return html`<figure>
    <img
      src="data:image/png;base64,${content.toString('base64')}"
      alt="The screen of ${name}: ${file}"
    />
    <figcaption>${file}</figcaption>
  </figure>`
}

function download({ name, path, size, content }: FoundFile): Html {
  const words = `${name} (${sizeOf(size)})`
  if (content === undefined) return html`${words} is too large for this page: <code>${path}</code>`
  return html`<a
    download="${name}"
    href="data:application/vnd.tcpdump.pcap;base64,${content.toString('base64')}"
    >${words}</a
  >`
}

function qemuView({ history: { qemu, made } }: MachineFolder): Html {
  return html`${qemu.map(
    ({ command, version }) =>
      html`<h5>QEMU ${version}</h5>
        ${preformatted(shellCommand(command))}`,
  )}
  ${
    made.options &&
    html`<h5>Options</h5>
      ${preformatted(JSON.stringify(made.options, null, 2))}`
  }`
}
