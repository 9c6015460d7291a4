/** The most that GET_CONFIG may ask for (vhost-user.rst, "Virtio device config space"). */
const CONFIG_BYTES_MAX = 256

/** Longest mount tag in bytes: as many as fit into the configuration space with their length. */
export const TAG_BYTES_MAX = CONFIG_BYTES_MAX - 2

/** struct virtio_9p_config (Linux's uapi/linux/virtio_9p.h): tag_len[2] tag[tag_len], zeroes behind it. */
export function configSpace(tag: string): Buffer {
  const bytes = Buffer.alloc(CONFIG_BYTES_MAX)
  bytes.writeUInt16LE(bytes.write(tag, 2, TAG_BYTES_MAX, 'utf8'))
  return bytes
}
