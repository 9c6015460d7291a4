import { startingNames } from './world.ts'

/** Names that no directory may have, or that would lead elsewhere without the server's checks. */
export const hostileNames = [
  '',
  '.',
  '..',
  '/',
  'a/b',
  '../outside',
  'dir/../..',
  '\0',
  'file\0',
  '..\0',
]
  .concat(['/etc/passwd', 'x'.repeat(256), 'y'.repeat(5000), '\xc3\x28', 'dir/', '...', ' ', '%s'])
  .concat(['user.a', 'trusted.overlay.opaque', 'security.capability', 'system.posix_acl_access'])

/** Names that are made and removed again and again. */
export const newNames = ['new', 'new2', 'made', '\xe4\xf6', 'z'.repeat(255)] as const

export const everyName = [...new Set([...Object.values(startingNames).flat(), ...newNames])]

export const targets = [
  'file',
  '..',
  '../outside',
  '../outside/secret',
  '/',
  'a\xff',
  'x'.repeat(4095),
].concat(['', 'y'.repeat(4096), 'a\0b'])

/** Names of extended attributes. */
export const attributeNames = [
  '',
  '',
  'user.a',
  'user.a',
  'user.a',
  'trusted.a',
  'user.virtfs.mode',
  'system.posix_acl_access',
  'security.a',
  'user',
] as const
