import { describe, expect, it } from 'vitest'
import { cpuTime, taken } from '../../bench/driver/cpu-time.ts'

/** Keeps the CPU busy for so many milliseconds of its own time. */
function burn(milliseconds: number): void {
  const start = process.cpuUsage()
  const end = milliseconds * 1000
  for (let used = 0; used < end;) {
    const { user, system } = process.cpuUsage(start)
    used = user + system
  }
}

describe('CPU time', () => {
  it('is what this process has had, for each command', () => {
    const before = cpuTime()
    burn(100)
    const { driver, guest, qemu } = taken(before, cpuTime(), 2)
    expect(driver).toBeGreaterThanOrEqual(50)
    // Whatever else the machine does meanwhile is no time of ours.
    expect(driver).toBeLessThan(100)
    expect([guest, qemu]).toEqual([0, 0])
  })

  it('of a QEMU without CPUs is none of a guest', () => {
    // Any process will do; this one has no thread that is named like a virtual CPU's.
    const before = cpuTime(process.pid)
    burn(100)
    const { guest, qemu } = taken(before, cpuTime(process.pid))
    expect(guest).toBe(0)
    expect(qemu).toBeGreaterThanOrEqual(80)
  })
})
