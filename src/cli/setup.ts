import { cacheFolder } from '../provision/cache.ts'
import { type Inventory, provision } from '../provision/inventory.ts'
import { fetchQemu } from '../provision/qemu.ts'
import { fetchTesseract } from '../provision/tesseract.ts'
import { command } from './command.ts'
import { describeParts, row } from './describe-parts.ts'
import { abortOnSignals } from './interrupt.ts'
import { ProgressLine, showFetch } from './progress.ts'
import { parseChoice } from './values.ts'
import { print } from './print.ts'

const PARTS = ['qemu', 'busybox', 'kernel'] as const

/** The Debian suite that gets new versions first. */
const NEWEST = 'sid'

export const setup = command({
  summary: 'fetch what is missing: QEMU, busybox, a guest kernel',
  usage: 'setup [OPTION…]',
  takesNoArguments: true,
  options: {
    suite: {
      type: 'string',
      value: 'NAME',
      help: "fetch QEMU and the kernel of this Debian suite, such as sid (default: the host's own)",
    },
    only: {
      type: 'string',
      multiple: true,
      value: 'PART',
      help: 'fetch only this part: qemu, busybox or kernel',
    },
    qemu: {
      type: 'string',
      value: 'newest',
      help: "fetch Debian's newest QEMU (of sid), even if there is one; `run` prefers it from then on",
    },
    ocr: {
      type: 'boolean',
      help: "also fetch tesseract, which tests need to read the text on a guest's screen",
    },
  },
  notes: `Debian's packages are downloaded and unpacked into a folder, not installed: no root is needed, and
/boot and the system's QEMU stay as they are. The folder is $LOWERDIR_CACHE, or
~/.cache/lowerdir; removing it undoes everything. On Debian 12 about
130 MB are downloaded, and 570 MB kept on disk: most of it is the kernel with all of its modules.`,

  async run({ suite, only, qemu, ocr }) {
    const wantsNewest = qemu !== undefined && parseChoice('qemu', qemu, ['newest']) === 'newest'
    const want = only?.map((name) => parseChoice('only', name, PARTS)) ?? PARTS
    const progress = new ProgressLine()
    const signal = abortOnSignals()
    const onProgress = showFetch(progress)
    try {
      const others = want.filter((name) => name !== 'qemu' || !wantsNewest)
      const found = await provision({ suite, want: others, signal, onProgress })
      const parts: Inventory = wantsNewest
        ? { ...found, qemu: { found: await fetchQemu({ suite: NEWEST, signal, onProgress }) } }
        : found
      const tesseract =
        ocr === true ? await fetchTesseract({ suite, signal, onProgress }) : undefined
      progress.clear()
      for (const line of describeParts(parts)) print(line)
      if (tesseract !== undefined) print(row('tesseract', tesseract.version))
      print(`What was fetched is kept in ${cacheFolder()}.`)
      return want.every((name) => parts[name].found !== undefined) ? 0 : 1
    } finally {
      progress.clear()
    }
  },
})
