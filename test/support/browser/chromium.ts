import { chmod, copyFile, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Archive } from '../../../src/provision/archive.ts'
import { architecture } from '../../../src/provision/architecture.ts'
import { cacheFolder } from '../../../src/provision/cache.ts'
import { listFetched } from '../../../src/provision/manifest.ts'
import { store } from '../../../src/provision/store.ts'
import { withoutEpoch } from '../../../src/provision/version.ts'

/** Chromium without a window. Text without any font has no size, and could not be clicked on. */
const PACKAGES = ['chromium-headless-shell', 'fonts-dejavu-core']

const EXECUTABLE = 'usr/lib/chromium/chromium-headless-shell'

/**
 * The script that starts Debian's Chromium: fetched once, some 100 MB, and unpacked into the cache,
 * not installed.
 */
export async function provideChromium(): Promise<string> {
  const [present = await fetchChromium()] = await listFetched(join(cacheFolder(), 'chromium'))
  return starterOf(present.folder)
}

async function fetchChromium(): ReturnType<typeof store> {
  await using archive = await Archive.open()
  const version = await archive.version('chromium-headless-shell')
  const place = join('chromium', withoutEpoch(version))
  return await store(archive, {
    place,
    title: 'Chromium',
    package: 'chromium-headless-shell',
    version,
    packages: PACKAGES,
    closure: true,
    main: EXECUTABLE,
    finish: (folder) => makeRunnable(folder, join(archive.cache, place)),
  })
}

/**
 * Makes an unpacked Chromium run with its own loader, libraries and fonts. It finds its files beside
 * the executable, which is the loader then, and starts its other processes through the same script.
 *
 * @param place where the folder will be.
 */
async function makeRunnable(folder: string, place: string): Promise<void> {
  const { multiarch, loader } = architecture()
  const libraries = join(place, 'usr/lib', multiarch)
  const home = join(place, 'usr/lib/chromium')
  await copyFile(
    join(folder, 'usr/lib', multiarch, loader),
    join(folder, 'usr/lib/chromium/loader'),
  )
  await mkdir(join(folder, 'etc'), { recursive: true })
  await writeFile(
    join(folder, 'etc/fonts.conf'),
    `<fontconfig>
<dir>${join(place, 'usr/share/fonts')}</dir>
<alias><family>monospace</family><prefer><family>DejaVu Sans Mono</family></prefer></alias>
</fontconfig>
`,
  )
  const script = starterOf(folder)
  await writeFile(
    script,
    `#!/bin/sh
export FONTCONFIG_FILE='${join(place, 'etc/fonts.conf')}'
exec '${home}/loader' --inhibit-cache --library-path '${libraries}:${libraries}/pulseaudio:${home}' \\
  '${join(place, EXECUTABLE)}' --browser-subprocess-path='${starterOf(place)}' "$@"
`,
  )
  await chmod(script, 0o755)
}

function starterOf(folder: string): string {
  return join(folder, 'usr/lib/chromium/start')
}
