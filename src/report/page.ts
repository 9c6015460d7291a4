/**
 * The results of a test run for people and for other programs: one HTML page that shows what each machine did, and JUnit
 * XML.
 */

import { createHash } from 'node:crypto'
import { duration } from '../util/format.ts'
import { filterTools } from './filter-tools.ts'
import { Html, html } from './html.ts'
import type { MachineFolder } from './machine-folder.ts'
import { overview, summary } from './overview.ts'
import { type TestRun, totalsOf } from './results.ts'
import { STYLE } from './style.ts'
import { type Subject, subjectsOf } from './subject.ts'
import { subjectView } from './subject-view.ts'

/** The choices of the filter of tests; a run that was interrupted has one more. */
const choices = [
  ['', 'All'],
  ['failed', 'Failed'],
  ['passed', 'Passed'],
  ['skipped', 'Skipped'],
] as const

const interruptedChoice = ['interrupted', 'Interrupted'] as const

const signs = { passed: '✓', failed: '✗', skipped: '–', interrupted: '!', shared: '·' }

/**
 * The report: one HTML document that needs neither a server nor a network.
 *
 * Each test's page is a template, so that the browser lays out only the page that is shown.
 *
 * @param scripts the report's scripts, each a module that imports nothing.
 */
export function page(
  run: TestRun,
  machines: readonly MachineFolder[],
  scripts: readonly string[],
): Html {
  const subjects = subjectsOf(run, machines)
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta http-equiv="Content-Security-Policy" content="${securityPolicy(scripts)}" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>${outcome(run)} · lowerdir test</title>
        <style>
          ${new Html(STYLE)}
        </style>
      </head>
      <body>
        <header>
          <h1><a href="#overview">lowerdir test</a></h1>
          ${summary(run, machines)}
        </header>
        <div class="columns">
          <nav aria-label="Tests">${testList(subjects, run.interrupted !== undefined)}</nav>
          <main>
            <noscript>This report needs JavaScript, which it brings along.</noscript>
          </main>
        </div>
        <template id="overview-page">${overview(run, machines)}</template>
        ${subjects.map(
          (subject) => html`<template id="${subject.id}-page">${subjectView(subject)}</template>`,
        )}
        ${scripts.map(scriptHtml)}
      </body>
    </html>
    ${'\n'}`
}

/** How the run went, in one or two words. */
function outcome({ files, interrupted }: TestRun): string {
  const { failed } = totalsOf(files)
  if (failed > 0) return `${failed} failed`
  return interrupted === undefined ? 'passed' : 'interrupted'
}

function testList(subjects: readonly Subject[], isInterrupted: boolean): Html {
  const search = { placeholder: 'Search tests', label: 'Search tests' }
  return html`${filterTools('tests', search, isInterrupted ? [...choices, interruptedChoice] : choices)}
    <ul id="tests">
      ${subjects.map(
        ({ id, status, title, file, duration: took }) =>
          html`<li data-tags="${status}">
            <a href="#${id}">
              <span class="sign ${status}" role="img" aria-label="${status}">${signs[status]}</span>
              <span class="title">${title}</span>
              <span class="took">${took !== undefined && duration(took)}</span>
              <span class="file">${file}</span>
            </a>
          </li>`,
      )}
    </ul>`
}

/** Exactly the text that its hash was made of: one more character, and the browser refuses it. */
function scriptHtml(script: string): Html {
  return new Html(`<script type="module">${script}</script>`)
}

/** Only the report's own scripts run, and nothing is fetched, whatever text of a guest is in the document. */
function securityPolicy(scripts: readonly string[]): string {
  const hashes = scripts.map((script) => {
    return `'sha256-${createHash('sha256').update(script).digest('base64')}'`
  })
  return [
    "default-src 'none'",
    `script-src ${hashes.join(' ') || "'none'"}`,
    "style-src 'unsafe-inline'",
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ')
}
