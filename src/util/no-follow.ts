import { constants } from 'node:fs'

const { O_WRONLY, O_CREAT, O_TRUNC, O_APPEND, O_NOFOLLOW } = constants

/**
 * Flags of open(2) for a file that gets new content, as 'w' has them, with O_NOFOLLOW: for files whose bytes come from a
 * guest, in folders where a copy from a guest may have left a symlink. For such a link, opening fails with ELOOP.
 */
export const REPLACE_CONTENT = O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW

/** The same for a file that grows, as 'a' has them. */
export const APPEND = O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW
