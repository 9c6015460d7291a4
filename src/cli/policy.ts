import type { HostPolicy } from '../tree/host/policy.ts'
import type { Option, Values } from './command.ts'
import { parseOwnership } from './owner.ts'
import { parseChoice } from './values.ts'

/** Options of all commands that serve a directory: how it is shown. */
export const policyOptions = {
  owner: {
    type: 'string',
    value: 'UID:GID',
    help: 'show all files as theirs; or mapped-xattr: let the guest say whose they are',
  },
  map: {
    type: 'string',
    multiple: true,
    value: 'GUEST:HOST:COUNT',
    help: 'show COUNT ids of the host from HOST on as those from GUEST on',
  },
  atime: {
    type: 'string',
    value: 'preserve|guest',
    help: "whether reading leaves the host's access times alone (default preserve)",
  },
} as const satisfies Record<string, Option>

/** What these options say. */
export function parsePolicy(
  values: Values<typeof policyOptions>,
): Pick<HostPolicy, 'owner' | 'atime'> {
  return {
    owner: parseOwnership(values.owner, values.map ?? [], 'host'),
    atime: parseChoice('atime', values.atime ?? 'preserve', ['preserve', 'guest']),
  }
}
