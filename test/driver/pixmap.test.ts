import { describe, expect, it } from 'vitest'
import {
  enlarged,
  gray,
  graymapFile,
  inverted,
  isDark,
  parsePixmap,
} from '../../src/driver/pixmap.ts'

function ppm(header: string, ...pixels: readonly number[]): Buffer {
  return Buffer.concat([Buffer.from(header), Buffer.from(pixels)])
}

/** A picture in shades of grey, by its rows. */
function shades(...rows: readonly (readonly number[])[]): Parameters<typeof inverted>[0] {
  return { width: rows[0]!.length, height: rows.length, pixels: Uint8Array.from(rows.flat()) }
}

describe('a picture', () => {
  it('is read from a PPM file, whatever its bytes are', () => {
    const picture = parsePixmap(ppm('P6\n2 1\n255\n', 10, 32, 13, 0, 9, 255))
    expect(picture).toMatchObject({ width: 2, height: 1 })
    expect([...picture.pixels]).toEqual([10, 32, 13, 0, 9, 255])
  })

  it('is not read from another format, or from a part of a file', () => {
    for (const file of [ppm('P5\n1 1\n255\n', 1), ppm('P6\n1 1\n65535\n', 1, 1, 1), ppm('')])
      expect(() => parsePixmap(file)).toThrow('no whole PPM file')
    expect(() => parsePixmap(ppm('P6\n2 1\n255\n', 1, 2, 3, 4, 5))).toThrow('no whole PPM file')
  })

  it('has shades as bright as its colours', () => {
    const colours = ppm('P6\n2 2\n255\n', 255, 255, 255, 255, 0, 0, 0, 255, 0, 0, 0, 255)
    expect([...gray(parsePixmap(colours)).pixels]).toEqual([255, 76, 150, 29])
  })

  it('is inverted, and known to be dark', () => {
    const console = shades([0, 0, 255])
    expect([...inverted(console).pixels]).toEqual([255, 255, 0])
    expect([isDark(console), isDark(inverted(console))]).toEqual([true, false])
  })

  it('is enlarged with soft edges', () => {
    const large = enlarged(shades([0, 120], [120, 240]), 2)
    expect(large).toMatchObject({ width: 4, height: 4 })
    const rows = [0, 4, 8, 12].map((start) => Array.from(large.pixels.subarray(start, start + 4)))
    expect(rows).toEqual([
      [0, 30, 90, 120],
      [30, 60, 120, 150],
      [90, 120, 180, 210],
      [120, 150, 210, 240],
    ])
  })

  it('is written as a PGM file', () => {
    expect(graymapFile(shades([1, 2, 3])).toString('latin1')).toBe('P5\n3 1\n255\n\x01\x02\x03')
  })
})
