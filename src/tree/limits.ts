/** Limits of Linux's own, for files of every kind (include/uapi/linux/limits.h, unless another file is named). */

/** Longest name of a directory entry in bytes (NAME_MAX). */
export const NAME_BYTES_MAX = 255

/** Longest symlink target in bytes, and room for its NUL (PATH_MAX). */
export const PATH_BYTES_MAX = 4096

/** Longest name of an extended attribute in bytes (XATTR_NAME_MAX). */
export const XATTR_NAME_MAX = 255

/** Longest value of an extended attribute, and longest list of names, in bytes (XATTR_SIZE_MAX). */
export const XATTR_SIZE_MAX = 65536

/** The last byte that a file can have (OFFSET_MAX of include/linux/fs.h). */
export const OFFSET_MAX = 0x7fff_ffff_ffff_ffffn
