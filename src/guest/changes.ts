import { quote } from '../util/shell.ts'

/** The mount points that the init script makes in a root without them. */
export const OWN_DIRECTORIES: readonly string[] = ['/dev', '/etc', '/proc', '/run', '/sys', '/tmp']

/** A file that the init script removes from a root before any process of the root runs. */
export const CONTAINER_MARK = '/.dockerenv'

/** Files that the init script may write before any process runs in the root, relative to it. */
const OWN_FILES = ['etc/hosts', 'etc/machine-id', 'etc/resolv.conf']

/**
 * Shell commands for the guest's init, at its end, with the root as the current directory. They note what the script itself
 * has written, so that this does not count as changes of the guest.
 *
 * @param targets where it has mounted something.
 */
export function keepOwn(targets: readonly string[]): string {
  const words = targets.map((target) => ` ${quote(target)}`).join('')
  return `for target in${words}; do echo "$target"; done >/own/targets
for file in ${OWN_FILES.join(' ')}; do
  [ ! -f "/upper/upper/$file" ] || { mkdir -p /own/etc; cat "/upper/upper/$file" >"/own/$file"; }
done
`
}

/** The file of the initramfs that has {@link changesScript}. */
export const CHANGES_SCRIPT = '/changes'

/**
 * A script for the agent that compares the upper layer with the lower one and with the merged root. Each field of its
 * output ends with a NUL, the only byte that a path cannot have:
 *
 *     own PATH                         a directory where the init has mounted something
 *     created PATH, changed PATH       by whether the lower layer has something there
 *     names PATH LOWER… '' MERGED… ''  the paths in a directory of the lower layer, before and now
 *
 * A path that `names` has before and not now is deleted. That covers whiteouts and opaque directories alike; busybox
 * cannot read the attribute that marks the latter (Documentation/filesystems/overlayfs.rst).
 *
 * A directory is in the upper layer once something below it is. It counts as changed if its mode or owner is different.
 */
export const changesScript = `while read -r target; do
  printf 'own\\0%s\\0' "$(chroot /root /run/lowerdir/busybox readlink -f "$target")"
done </own/targets
cd /upper/upper && find . -print0 | xargs -0 sh -c '
# Without a stat(2) for each, which a directory of the lower layer would have to ask the host for.
names() {
  for pattern in "*" ".[!.]*" "..?*"; do
    set -- "$1" "$1"/$pattern
    if [ $# -gt 2 ] || [ -e "$2" ] || [ -L "$2" ]; then
      prefix=$1
      shift
      printf "%s\\0" "$@"
      set -- "$prefix"
    fi
  done
  printf "\\0"
}
is_directory() { [ -d "$1" ] && [ ! -L "$1" ]; }

new=/
for path; do
  path=\${path#.} upper=/upper/upper$path lower=/lower$path
  case $path in
    "$new"/*) printf "created\\0%s\\0" "$path"; continue ;;
  esac
  if is_directory "$upper"; then
    if is_directory "$lower"; then
      set -- $(stat -c %a:%u:%g "$upper" "$lower")
      [ "$1" = "$2" ] || [ -z "$path" ] || printf "changed\\0%s\\0" "$path"
      printf "names\\0%s\\0" "$path"
      names "$lower"
      names "/root$path"
      continue
    fi
    new=$path
  elif [ -c "$upper" ] && [ "$(stat -c %t:%T "$upper")" = 0:0 ]; then
    continue
  fi
  # The init wrote it, and it has not changed since.
  [ -e "/own$path" ] && cmp -s "/own$path" "$upper" && continue
  if [ -e "$lower" ] || [ -L "$lower" ]; then
    printf "changed\\0%s\\0" "$path"
    is_directory "$lower" && { printf "names\\0%s\\0" "$path"; names "$lower"; printf "\\0"; }
  else
    printf "created\\0%s\\0" "$path"
  fi
done
true
' sh
`
