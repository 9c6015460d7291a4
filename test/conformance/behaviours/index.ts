import { attributes } from './attributes.ts'
import { reading } from './reading.ts'
import { directories, largeDirectories } from './directories.ts'
import type { Behaviours, KernelBehaviours } from './helpers.ts'
import { links } from './links.ts'
import { listings } from './listings.ts'
import { locks } from './locks.ts'
import { mappings } from './mappings.ts'
import { nameless } from './nameless.ts'
import { nameRules } from './names.ts'
import { opening } from './opening.ts'
import { paths } from './paths.ts'
import { ranges } from './ranges.ts'
import { renames } from './renames.ts'
import { sizes } from './sizes.ts'
import { special } from './special.ts'
import { timeRules } from './times.ts'
import { users } from './users.ts'
import { xattrs } from './xattrs.ts'

/** For a plain directory, through our client and server, and in a guest through the kernel's client. */
export const behaviours: Behaviours = together(
  opening,
  reading,
  sizes,
  directories,
  nameRules,
  renames,
  links,
  nameless,
  attributes,
  timeRules,
)

/** The same, but not for a guest, which would take minutes. */
export const largeBehaviours: Behaviours = largeDirectories

/** For a plain directory and in a guest. */
export const kernelBehaviours: KernelBehaviours = together(
  paths,
  listings,
  mappings,
  ranges,
  special,
  xattrs,
  locks,
)

/** The same, for root. */
export const usersBehaviours: KernelBehaviours = users

function together<B>(...themes: Readonly<Record<string, B>>[]): Readonly<Record<string, B>> {
  const entries = themes.flatMap((theme) => Object.entries(theme))
  const all = Object.fromEntries(entries)
  if (Object.keys(all).length < entries.length) throw new Error('two behaviours have one name')
  return all
}
