import { expect, test } from 'vitest'
import { explainApt } from '../../src/provision/apt.ts'

test.each([
  ['unknown-package', 'E: Unable to locate package nonesuch'],
  ['unknown-package', "E: Package 'nonesuch' has no installation candidate"],
  [
    'no-suite',
    "E: The repository 'http://mirror.test woody2 Release' does not have a Release file.",
  ],
  ['no-suite', 'E: Failed to fetch http://mirror.test/a.deb  404  Not Found [IP: 192.0.2.1 80]'],
  ['no-network', 'E: Failed to fetch http://mirror.test/InRelease  Could not connect to x:1 (x).'],
  ['no-network', "W: Failed to fetch http://x/InRelease  Temporary failure resolving 'x'"],
  ['disk-full', 'E: Write error - write (28: No space left on device)'],
  ['disk-full', "E: You don't have enough free space in /x/archives/."],
  [
    'untrusted',
    "W: GPG error: http://x sid InRelease: The following signatures couldn't be verified because " +
      "the public key is not available: NO_PUBKEY 0E98404D386FA1D9\nE: The repository 'http://x " +
      "sid InRelease' is not signed.",
  ],
  ['untrusted', 'E: Failed to fetch http://x/a.deb  Hash Sum mismatch'],
  [
    'untrusted',
    'E: Failed to fetch http://x/a.deb  File has unexpected size (2 != 1). Mirror sync in progress? [IP: 192.0.2.1 80]',
  ],
  [
    'untrusted',
    "E: Failed to fetch http://x/InRelease  Clearsigned file isn't valid, got 'NOSPLIT' (does the network require authentication?)",
  ],
  ['untrusted', 'E: Release file for http://x/InRelease is expired (invalid since 3d 1h).'],
  ['failed', 'E: Something unknown'],
] as const)('%s: %s', (code, complaint) => {
  expect(explainApt('apt-get', complaint).code).toBe(code)
})

test('the message has the reason, and the cause has everything', () => {
  const error = explainApt('apt-get', 'W: a warning\nE: a reason\n')
  expect(error.message).toBe('apt-get failed: a reason')
  expect((error.cause as Error).message).toContain('a warning')
})
