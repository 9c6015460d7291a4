// Twenty tests, one boot. The machine is prepared once, and each test goes on from there with a machine of its own. What
// one test breaks is whole again in the next.

import { expect } from 'vitest'
import { vmTest } from 'lowerdir/vitest'

const test = vmTest(
  { memory: '384M', init: 'none' },
  {
    snapshot: true,
    async prepare(vm) {
      await vm.succeed('mkdir -p /srv/data; seq 1 1000 >/srv/data/numbers')
      // This program goes on running in each restored machine, with its file open.
      await vm.succeed(
        `(exec 3>>/tmp/ticks; while :; do echo tick >&3; sleep 0.2; done) >/dev/null 2>&1 &`,
      )
    },
  },
)

test.for(Array.from({ length: 20 }, (_, i) => i + 1))('test %i', async (number, { vm }) => {
  expect(await vm.succeed('wc -l </srv/data/numbers')).toBe('1000\n')
  await vm.fail('test -e /srv/data/claimed')
  await vm.succeed(`rm /srv/data/numbers; echo ${number} >/srv/data/claimed`)
  const before = Number(await vm.succeed('wc -l </tmp/ticks'))
  await vm.waitUntilSucceeds(`[ $(wc -l </tmp/ticks) -gt ${before} ]`, { timeout: 60 })
})
