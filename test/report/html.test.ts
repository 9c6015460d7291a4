import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { html } from '../../src/report/html.ts'

describe('HTML', () => {
  it('is never joined to one string, since that has a longest length', () => {
    const line = html`<p>${'x'.repeat(1000)}</p>`
    const many = html`<div>${Array.from({ length: 10_000 }, () => line)}</div>`
    const { parts } = html`<main>${many}${many}</main>`
    expect(Math.max(...parts.map((part) => part.length))).toBeLessThan(100_000)
    expect(parts.join('')).toBe(
      `<main>${`<div>${line.text.repeat(10_000)}</div>`.repeat(2)}</main>`,
    )
  })

  it('has text as text, and HTML as HTML', () => {
    const names = ['<a>', '"b"'].map((name) => html`<b title="${name}">${name}</b>`)
    expect(html`<p>${names}</p>`.text).toBe(
      '<p><b title="&lt;a&gt;">&lt;a&gt;</b><b title="&quot;b&quot;">&quot;b&quot;</b></p>',
    )
    expect(html`${undefined}${null}${false}${0}`.text).toBe('0')
  })

  it('shows what cannot be seen', () => {
    expect(html`${'a\u0000b\u001B\u007F\u009B \u202E \uD800 😀\r\n\t'}`.text).toBe(
      'a␀b␛␡\ufffd \ufffd \ufffd 😀\n\t',
    )
  })

  it('has no character of text that could be taken for markup', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(html`${text}`.text).not.toMatch(/[<>"'\0]|&(?!(amp|lt|gt|quot|#39);)/)
      }),
    )
  })
})
