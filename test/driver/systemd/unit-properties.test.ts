import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { parseProperties, unitPath } from '../../../src/driver/systemd/unit-properties.ts'

/** Lines of what systemd 252's `systemctl show` has printed. */
const recorded = readFileSync(new URL('show.txt', import.meta.url), 'utf8')

test('each property has its value, with all that is in it', () => {
  const properties = parseProperties(recorded)
  expect(properties).toMatchObject({
    Id: 'odd@1.service',
    ActiveState: 'active',
    SubState: 'exited',
    Description: 'a = b; "c"',
    Environment: '"A=x y" B=1',
    MainPID: '0',
    UID: '[not set]',
  })
  expect(Object.keys(properties)).toHaveLength(recorded.trim().split('\n').length - 1)
})

test('a property that comes twice has both values', () => {
  const [first, second, ...more] = (parseProperties(recorded)['ExecStart'] ?? '').split('\n')
  expect(first).toMatch(/^\{ path=\/bin\/true ; argv\[\]=\/bin\/true ; .*status=0 \}$/)
  expect(second).toMatch(/^\{ path=\/bin\/sh ; argv\[\]=\/bin\/sh -c echo one=two ; .*status=0 \}$/)
  expect(more).toEqual([])
})

test('a value may go on on the next line, and be empty', () => {
  expect(parseProperties('Description=one\ntwo\n  three = 3\nJob=\n')).toEqual({
    Description: 'one\ntwo\n  three = 3',
    Job: '',
  })
  expect(parseProperties('')).toEqual({})
})

test.each([
  ['nginx.service', 'nginx_2eservice'],
  ['dev-disk-by\\x2dlabel-a.device', 'dev_2ddisk_2dby_5cx2dlabel_2da_2edevice'],
  ['odd@1.service', 'odd_401_2eservice'],
  ['9p.mount', '_39p_2emount'],
  ['-.mount', '_2d_2emount'],
])('the object of %s is …/%s', (unit, label) => {
  expect(unitPath(unit)).toBe(`/org/freedesktop/systemd1/unit/${label}`)
})
