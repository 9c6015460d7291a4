import { expect, test } from 'vitest'
import { compareVersions, withoutEpoch } from '../../src/provision/version.ts'

test.each([
  ['6.1.0-9-amd64', '6.1.0-42-amd64'],
  ['7.2+dfsg-7+deb12u18', '10.0.13+ds-0+deb13u1'],
  ['6.12.107+deb13-amd64', '7.2.13+deb14-amd64'],
  ['1.35', '1.35.1'],
])('%s is before %s', (older, newer) => {
  expect(compareVersions(older, newer)).toBeLessThan(0)
  expect(compareVersions(newer, older)).toBeGreaterThan(0)
  expect(compareVersions(newer, newer)).toBe(0)
})

test('the epoch is no part of a file name', () => {
  expect(withoutEpoch('1:7.2+dfsg-7')).toBe('7.2+dfsg-7')
  expect(withoutEpoch('7.2.13-1')).toBe('7.2.13-1')
})
