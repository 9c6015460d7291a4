/**
 * The messages that a front end of vhost-user, such as QEMU, sends to this backend, with their numbers (QEMU's
 * docs/interop/vhost-user.rst, "Front-end message types").
 */
export const request = {
  GET_FEATURES: 1,
  SET_FEATURES: 2,
  SET_OWNER: 3,
  RESET_OWNER: 4,
  SET_MEM_TABLE: 5,
  SET_LOG_BASE: 6,
  SET_LOG_FD: 7,
  SET_VRING_NUM: 8,
  SET_VRING_ADDR: 9,
  SET_VRING_BASE: 10,
  GET_VRING_BASE: 11,
  SET_VRING_KICK: 12,
  SET_VRING_CALL: 13,
  SET_VRING_ERR: 14,
  GET_PROTOCOL_FEATURES: 15,
  SET_PROTOCOL_FEATURES: 16,
  GET_QUEUE_NUM: 17,
  SET_VRING_ENABLE: 18,
  GET_CONFIG: 24,
  SET_CONFIG: 25,
  SET_DEVICE_STATE_FD: 42,
  CHECK_DEVICE_STATE: 43,
} as const

export type RequestName = keyof typeof request

const names = new Map<number, RequestName>(
  Object.entries(request).map(([name, number]) => [number, name as RequestName]),
)

/** The name of the request with this number; undefined for one that is not served here. */
export function requestName(number: number): RequestName | undefined {
  return names.get(number)
}

/** The requests of devices that can be saved: DEVICE_STATE and LOG_SHMFD of {@link protocolFeature}. */
export const stateful: ReadonlySet<RequestName> = new Set<RequestName>([
  'SET_LOG_BASE',
  'SET_LOG_FD',
  'SET_DEVICE_STATE_FD',
  'CHECK_DEVICE_STATE',
])

/** Feature bits of rings and of the transport (virtio 1.3, 6 and 2.7; vhost-user.rst, "Feature negotiation"). */
export const feature = {
  /** Not for the driver: with it, this backend tells the front end which pages it has written. */
  LOG_ALL: 1n << 26n,
  INDIRECT_DESC: 1n << 28n,
  EVENT_IDX: 1n << 29n,
  /** Not for the driver: with it, the front end and this backend negotiate features of vhost-user. */
  PROTOCOL_FEATURES: 1n << 30n,
  VERSION_1: 1n << 32n,
} as const

/** The features that this backend offers to the drivers of all devices, in addition to those of the device. */
export const transportFeatures =
  feature.INDIRECT_DESC | feature.EVENT_IDX | feature.PROTOCOL_FEATURES | feature.VERSION_1

/** Features of the vhost-user protocol itself (vhost-user.rst, "Protocol features"). */
export const protocolFeature = {
  MQ: 1n << 0n,
  LOG_SHMFD: 1n << 1n,
  REPLY_ACK: 1n << 3n,
  CONFIG: 1n << 9n,
  DEVICE_STATE: 1n << 19n,
} as const
