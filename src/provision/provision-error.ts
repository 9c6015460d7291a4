/** Why something that a guest needs could not be found or fetched. */
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

/** An error whose message is meant for a person: what failed, why, and what to do about it. */
export class ProvisionError extends Error {
  override readonly name = 'ProvisionError'
  readonly code: ProvisionCode

  constructor(code: ProvisionCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** Turns a file system error met while filling `folder` into one that says what to do about it. */
export function explainFileError(error: unknown, folder: string): unknown {
  switch ((error as NodeJS.ErrnoException | undefined)?.code) {
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
        `${folder} cannot be written. Name another folder for downloads with LOWERDIR_CACHE.`,
        { cause: error },
      )
    default:
      return error
  }
}

/** The sentence for a full disk. */
export function diskFull(folder: string): string {
  return (
    `There is not enough room for downloads in ${folder}. ` +
    'Free some, or name a folder on another disk with LOWERDIR_CACHE.'
  )
}
