import { expect, it } from 'vitest'
import { unacknowledged } from '../../src/machine/acknowledged.ts'

/** As QEMU 7.2 and 11.1 print it. */
const printed = (root: string, control: string): string =>
  `Hub -1 (user):\r
  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ\r
  TCP[HOST_FORWARD]  15       127.0.0.1  8080       10.0.2.15    80     0     0\r
  TCP[ESTABLISHED]   17       10.0.2.15 58618       10.0.2.2    564     3     4\r
Hub -1 (exports):\r
  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ\r
  TCP[ESTABLISHED]   -1       10.0.2.15 58618      10.0.2.100   564 ${root}\r
  TCP[ESTABLISHED]   -1       10.0.2.15 50334      10.0.2.100   563 ${control}\r
  UDP[12 sec]        18       10.0.2.15 50334      10.0.2.100   563     0     9\r
`

it.each([
  ['    0     0', '    0     0', 0],
  ['    0     7', '    0    11', 18],
  ['    1     0', '    0     0', 1],
  ['65536 131072', '    0     0', 196_608],
])('finds what waits for the guest in what QEMU prints: %s and %s', (root, control, waiting) => {
  expect(unacknowledged(printed(root, control))).toBe(waiting)
})

it('finds nothing where there is nothing', () => {
  expect(unacknowledged('')).toBe(0)
})
