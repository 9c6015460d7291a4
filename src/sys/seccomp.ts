import { ErrnoError, errno } from './errno.ts'
import { call, raw } from './ffi.ts'
import { systemMemory } from './system-memory.ts'
import { type SystemCall, systemCalls } from './system-calls.ts'

/**
 * A filter of system calls for all threads of the process, seccomp(2). It is a program of the kernel's
 * classic BPF (include/uapi/linux/filter.h) over struct seccomp_data: nr[4] arch[4] ip[8] args[6*8].
 */
const seccomp = call('int', 'syscall', 'int64', 'uint32', 'uint32', 'pointer')
const asks = raw('int', 'syscall', 'int64', 'uint32', 'uint32', 'pointer')

/** An architecture's number of seccomp(2), and its AUDIT_ARCH_… of include/uapi/linux/audit.h. */
interface Architecture {
  readonly name: 'x64' | 'arm64'
  readonly seccomp: number
  readonly audit: number
}

const architectures: readonly Architecture[] = [
  { name: 'x64', seccomp: 317, audit: 0xc000003e },
  { name: 'arm64', seccomp: 277, audit: 0xc00000b7 },
]
const architecture = architectures.find(({ name }) => name === process.arch)

const SECCOMP_SET_MODE_FILTER = 1
const SECCOMP_GET_ACTION_AVAIL = 2
/** For the other threads of the process too, with no_new_privs. */
const SECCOMP_FILTER_FLAG_TSYNC = 1
/**
 * Without it, kernels before 5.16 switch on mitigations against speculation that slow these threads down
 * (Documentation/userspace-api/spec_ctrl.rst). They protect against code of others in the process, and the filter is
 * not made for that.
 */
const SECCOMP_FILTER_FLAG_SPEC_ALLOW = 4
const RET_ALLOW = 0x7fff0000
const RET_ERRNO = 0x00050000

const LOAD = 0x20 // BPF_LD | BPF_W | BPF_ABS
const IF_EQUAL = 0x15 // BPF_JMP | BPF_JEQ | BPF_K
const IF_AT_LEAST = 0x35 // BPF_JMP | BPF_JGE | BPF_K
const IF_ANY_BIT = 0x45 // BPF_JMP | BPF_JSET | BPF_K
const RETURN = 0x06 // BPF_RET | BPF_K

const NUMBER = 0
const ARCHITECTURE = 4
const FIRST_ARGUMENT = 16
/** Set in the numbers of the x32 ABI, x86-64's second set of calls. */
const X32 = 0x40000000
const CLONE_THREAD = 0x10000

/** Calls that fail, with the errno that each gets. */
export type Denied = ReadonlyMap<SystemCall, number>

/** Whether the kernel and this architecture can filter. */
export function hasSeccomp(): boolean {
  if (architecture === undefined) return false
  memory.view.setUint32(0, RET_ERRNO, true)
  return asks(architecture.seccomp, SECCOMP_GET_ACTION_AVAIL, 0, memory.address) === 0
}

const HEADER = 16
/** For the largest program: two instructions for each call there is, and a few more. */
const memory = systemMemory(HEADER + 8 * (2 * Object.keys(systemCalls).length + 16))

/**
 * Makes the calls in `denied` fail in all threads of this process, for ever, also in those that are started later.
 * clone(2), if it is among them, may still start threads. Calls with the numbers of another architecture (int
 * 0x80 on x86-64) fail with EPERM. The calling thread needs no_new_privs or CAP_SYS_ADMIN; the others get no_new_privs
 * from it.
 *
 * @throws ErrnoError ENOSYS if {@link hasSeccomp} is false, EACCES without no_new_privs, EBUSY where another thread has a
 *   filter of its own.
 */
export function denyCalls(denied: Denied): void {
  if (architecture === undefined) throw new ErrnoError(errno.ENOSYS, 'seccomp')
  const program = filter(denied, architecture)
  const { view, address } = memory
  // struct sock_fprog: len[2], 6 bytes of padding, a pointer to struct sock_filter, len of them.
  view.setUint16(0, program.length, true)
  view.setBigUint64(8, BigInt(address + HEADER), true)
  for (const [i, [operation, yes, no, value]] of program.entries()) {
    const at = HEADER + i * 8
    view.setUint16(at, operation, true)
    view.setUint8(at + 2, yes)
    view.setUint8(at + 3, no)
    view.setUint32(at + 4, value, true)
  }
  const flags = SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_SPEC_ALLOW
  // The number of a thread that cannot have the same filter.
  const odd = seccomp(architecture.seccomp, SECCOMP_SET_MODE_FILTER, flags, address)
  if (odd !== 0) throw new ErrnoError(errno.EBUSY, 'seccomp')
}

/** An instruction: its code, how many instructions to skip if its condition holds and if not, and its operand. */
type Instruction = readonly [code: number, yes: number, no: number, value: number]

/**
 * The program. Its length costs nothing: since Linux 5.11 the kernel remembers answers that depend only on
 * the call's number.
 */
function filter(denied: Denied, { name: arch, audit }: Architecture): readonly Instruction[] {
  const refuse = (number: number): Instruction => [RETURN, 0, 0, RET_ERRNO | number]
  const program: Instruction[] = [
    [LOAD, 0, 0, ARCHITECTURE],
    [IF_EQUAL, 1, 0, audit],
    refuse(errno.EPERM),
    [LOAD, 0, 0, NUMBER],
    // Aarch64 has no numbers there.
    [IF_AT_LEAST, 0, 1, X32],
    refuse(errno.EPERM),
  ]
  for (const [name, number] of denied) {
    const code = systemCalls[name][arch]
    if (code === null) continue
    if (name === 'clone') {
      program.push([IF_EQUAL, 0, 4, code], [LOAD, 0, 0, FIRST_ARGUMENT])
      program.push([IF_ANY_BIT, 0, 1, CLONE_THREAD], [RETURN, 0, 0, RET_ALLOW], refuse(number))
    } else {
      program.push([IF_EQUAL, 0, 1, code], refuse(number))
    }
  }
  program.push([RETURN, 0, 0, RET_ALLOW])
  return program
}
