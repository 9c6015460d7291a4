/**
 * File systems that are views of the host's kernel. A file there may block for ever (/proc/kmsg), cause an
 * action (/sys, /proc/sysrq-trigger) or reveal the server's memory. A guest has views of its own kernel. The
 * numbers are those of include/uapi/linux/magic.h.
 */
const views = new Set([
  0x9fa0, // proc
  0x62656572, // sysfs
  0x0027e0eb, // cgroup
  0x63677270, // cgroup2
  0x1cd1, // devpts
  0x64626720, // debugfs
  0x74726163, // tracefs
  0x73636673, // securityfs
  0xf97cff8c, // selinuxfs
  0x43415d53, // smackfs
  0xcafe4a11, // bpf
  0x62656570, // configfs
  0x65735543, // fusectl
  0x19800202, // mqueue
  0xde5e81e4, // efivarfs
  0x42494e4d, // binfmt_misc
  0x6165676c, // pstore
  0x6e736673, // nsfs
])

/** Whether statfs(2)'s f_type is one of them. */
export function isKernelView(type: number): boolean {
  return views.has(type)
}
