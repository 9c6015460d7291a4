// libc as the server sees it, with failures on demand. Import this before anything of src/: it
// stands at the only door, koffi's `load`, so that src/ needs to know nothing of it. Plain
// JavaScript, because the processes of engines load it, too.

import koffi from 'koffi'

/** Where `size_t length` stands among the arguments of the calls that may do less than asked. */
const lengthAt = { pread: 2, pwrite: 2, read: 2, write: 2, send: 2, recv: 2 }

export const libc = {
  /** Called before each call; what it answers happens instead. */
  inject: undefined,
  /** The calls made, in order. */
  calls: [],
  /** Descriptors that were closed though they were not open. */
  closedTwice: [],
}

/** errno of an injected failure; undefined after a real call. */
let injected

const { load, errno } = koffi

koffi.errno = () => injected ?? errno()

koffi.load = (...path) => {
  const library = load(...path)
  return { func: (name, ...signature) => wrap(name, library.func(name, ...signature)) }
}

function wrap(name, native) {
  return (...args) => {
    libc.calls.push(name)
    const fault = libc.inject?.(name, libc.calls.length - 1, args)
    injected = undefined
    if (fault === undefined || 'most' in fault) {
      const at = lengthAt[name]
      if (fault !== undefined && at !== undefined) args[at] = Math.min(args[at], fault.most)
      const result = native(...args)
      if (name === 'close' && result === -1) libc.closedTwice.push(args[0])
      return result
    }
    // Linux closes the descriptor whatever it reports (close(2)).
    if (name === 'close' && native(...args) === -1) libc.closedTwice.push(args[0])
    injected = fault.errno
    return -1
  }
}
