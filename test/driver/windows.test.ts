import { expect, it } from 'vitest'
import { windowNames } from '../../src/driver/windows.ts'

it("finds the names in xwininfo's tree, at any depth and with quotes in them", () => {
  const tree = `
xwininfo: Window id: 0x50a (the root window) (has no name)

  Root window id: 0x50a (the root window) (has no name)
  Parent window id: 0x0 (none)
     2 children:
     0x40000d "the "first": ("one")": ("xterm" "XTerm")  484x316+0+0  +0+0
        1 child:
        0x400018 (has no name): ()  484x316+0+0  +0+0
     0x200003 "xclock": ("xclock" "XClock")  164x164+0+0  +0+0
        1 child:
        0x200004 "inner": ()  10x10+0+0  +0+0
`
  expect(windowNames(tree)).toEqual(['the "first": ("one")', 'xclock', 'inner'])
})
