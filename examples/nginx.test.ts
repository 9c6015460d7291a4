// A systemd unit on a Debian system: nginx starts, answers, and refuses a broken configuration.
//
// `debianRoot` makes the system once and keeps it. Making it takes root and half a minute. All tests of this file share
// one machine. Whatever they do, the directory of the system on the host stays as it is.

import { expect } from 'vitest'
import { debianRoot } from 'lowerdir'
import { vmTest } from 'lowerdir/vitest'

const { folder: root } = await debianRoot({ include: ['nginx-light', 'curl'] })
const test = vmTest({ root, memory: '512M' }, { scope: 'file' })

test('the unit comes up and answers', async ({ vm }) => {
  await vm.waitForUnit('nginx')
  await vm.waitForOpenPort(80)
  expect(await vm.succeed('curl -sf localhost')).toContain('Welcome to nginx')
})

test('a page is served as soon as it is there', async ({ vm }) => {
  await vm.writeFile('/var/www/html/hello.txt', 'hello from the test\n')
  expect(await vm.succeed('curl -sf localhost/hello.txt')).toBe('hello from the test\n')
  expect((await vm.changes({ under: '/var/www' })).created).toEqual(['/var/www/html/hello.txt'])
})

test('a broken configuration keeps it from starting, and the error says why', async ({ vm }) => {
  await vm.writeFile('/etc/nginx/conf.d/broken.conf', 'no such directive;\n')
  await vm.fail('systemctl restart nginx')
  await expect(vm.waitForUnit('nginx')).rejects.toThrow('unknown directive "no"')
  await vm.succeed('rm /etc/nginx/conf.d/broken.conf; systemctl restart nginx')
  await vm.waitForUnit('nginx')
  await vm.requireUnitState('nginx', 'active')
})
