// The tests in the picture of the report. The second one fails, because the site's configuration lacks a semicolon.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { boot, debianRoot } from 'lowerdir'

const { folder: root } = await debianRoot({ include: ['nginx-light', 'curl'] })

test('nginx serves its first page', async (t) => {
  const vm = await boot({ root, name: 'web', memory: '512M', test: t })
  await vm.waitForUnit('nginx')
  assert.match(await vm.succeed('curl -sf localhost'), /Welcome to nginx/)
})

test('the site answers on port 8080', async (t) => {
  const vm = await boot({ root, name: 'web', memory: '512M', test: t })
  await vm.waitForUnit('nginx')
  await vm.step('install the site', async () => {
    await vm.copyFromHost('site.conf', '/etc/nginx/conf.d/site.conf')
    await vm.succeed('nginx -t')
    await vm.succeed('systemctl reload nginx')
  })
  await vm.waitForOpenPort(8080)
  assert.equal(await vm.succeed('curl -sf localhost:8080/health'), 'well\n')
})
