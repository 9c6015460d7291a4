import type { HostPolicy } from '../tree/host/policy.ts'
import type { Option, Values } from './command.ts'
import { parseOwnership } from './owner.ts'
import { parseChoice } from './values.ts'

/** Options of all commands that serve a directory: how the guest sees it. */
export const policyOptions = {
  owner: {
    type: 'string',
    value: 'UID:GID',
    help: "show all files as owned by UID:GID; or mapped-xattr: store the guest's owners",
  },
  map: {
    type: 'string',
    multiple: true,
    value: 'GUEST:HOST:COUNT',
    help: 'show the COUNT ids of the host from HOST on as the ids from GUEST on',
  },
  atime: {
    type: 'string',
    value: 'preserve|guest',
    help: "preserve (default): reading keeps the host's access times; guest: the guest decides",
  },
} as const satisfies Record<string, Option>

/** The policy that these options ask for. */
export function parsePolicy(
  values: Values<typeof policyOptions>,
): Pick<HostPolicy, 'owner' | 'atime'> {
  return {
    owner: parseOwnership(values.owner, values.map ?? [], 'host'),
    atime: parseChoice('atime', values.atime ?? 'preserve', ['preserve', 'guest']),
  }
}
