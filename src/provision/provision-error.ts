import { isSystemError } from '../util/error.ts'

/** Why a part that a guest needs could not be found or fetched. */
export type ProvisionCode =
  | 'unsupported'
  | 'no-apt'
  | 'no-keyring'
  | 'no-network'
  | 'no-suite'
  | 'unknown-package'
  | 'untrusted'
  | 'disk-full'
  | 'no-permission'
  | 'not-found'
  | 'unusable'
  | 'failed'

/** A part could not be found or fetched. The message is for people: what failed, why, and what to do. */
export class ProvisionError extends Error {
  override readonly name = 'ProvisionError'
  readonly code: ProvisionCode

  constructor(code: ProvisionCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/**
 * Explains an error that was met while `folder` was filled.
 *
 * @returns a ProvisionError for a full disk or a folder that cannot be written; any other error as it is.
 */
export function explainFileError(error: unknown, folder: string): unknown {
  if (!isSystemError(error)) return error
  switch (error.code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return new ProvisionError('disk-full', diskFull(folder), { cause: error })
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
    case 'ENOTDIR':
    case 'EEXIST':
      return new ProvisionError(
        'no-permission',
        `${folder} cannot be written (${error.code}). Set LOWERDIR_CACHE to another folder.`,
        { cause: error },
      )
    default:
      return error
  }
}

/** The message for a full disk. */
export function diskFull(folder: string): string {
  return (
    `There is not enough space for downloads in ${folder}. ` +
    'Free some, or set LOWERDIR_CACHE to a folder on another disk.'
  )
}
