/** A picture: rows from the top, three bytes a pixel, red, green and blue. */
export interface Pixmap {
  readonly width: number
  readonly height: number
  readonly pixels: Uint8Array
}

/** A picture in shades of grey, one byte a pixel: 0 is black, 255 is white. */
export type Graymap = Pixmap

/**
 * Parses a binary PPM file (ppm(5)), the format of QEMU's screendump.
 *
 * @throws Error for any other file.
 */
export function parsePixmap(file: Buffer): Pixmap {
  const header = /^P6\s+(\d+)\s+(\d+)\s+255\s/.exec(file.toString('latin1', 0, 64))
  const [whole = '', width, height] = header ?? []
  const picture = {
    width: Number(width),
    height: Number(height),
    pixels: file.subarray(whole.length),
  }
  if (header === null || picture.pixels.length < picture.width * picture.height * 3)
    throw new Error('The picture is no whole PPM file.')
  return picture
}

/** The luma of a picture's colours (ITU-R BT.601). */
export function gray({ width, height, pixels }: Pixmap): Graymap {
  const shades = new Uint8Array(width * height)
  for (let i = 0; i < shades.length; i++) {
    const [red = 0, green = 0, blue = 0] = pixels.subarray(3 * i, 3 * i + 3)
    shades[i] = Math.round(0.299 * red + 0.587 * green + 0.114 * blue)
  }
  return { width, height, pixels: shades }
}

/** Black for white, and white for black. */
export function inverted({ width, height, pixels }: Graymap): Graymap {
  return { width, height, pixels: pixels.map((shade) => 255 - shade) }
}

/** Whether the mean shade is dark, as on a console. */
export function isDark({ pixels }: Graymap): boolean {
  return pixels.reduce((sum, shade) => sum + shade, 0) < 128 * pixels.length
}

/** A picture enlarged `factor` times in both directions, with bilinear interpolation. */
export function enlarged({ width, height, pixels }: Graymap, factor: number): Graymap {
  const [wide, high] = [width * factor, height * factor]
  const large = new Uint8Array(wide * high)
  for (let y = 0; y < high; y++) {
    const [top, bottom, down] = between(y, factor, height)
    for (let x = 0; x < wide; x++) {
      const [left, right, along] = between(x, factor, width)
      const above = mix(pixels[top * width + left], pixels[top * width + right], along)
      const below = mix(pixels[bottom * width + left], pixels[bottom * width + right], along)
      large[y * wide + x] = Math.round(mix(above, below, down))
    }
  }
  return { width: wide, height: high, pixels: large }
}

/** A binary PGM file (pgm(5)). */
export function graymapFile({ width, height, pixels }: Graymap): Buffer {
  return Buffer.concat([Buffer.from(`P5\n${width} ${height}\n255\n`), pixels])
}

/** The two of `length` old pixels around the middle of a new one, and its distance from the first of them, 0 to 1. */
function between(position: number, factor: number, length: number): [number, number, number] {
  const old = Math.max(0, (position + 0.5) / factor - 0.5)
  const first = Math.floor(old)
  return [first, Math.min(first + 1, length - 1), old - first]
}

function mix(a = 0, b = 0, share = 0): number {
  return a + (b - a) * share
}
