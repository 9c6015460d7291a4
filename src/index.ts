/** A host directory as the lower layer of virtual machines. */
export { ErrnoError, type ErrnoName } from './errno.ts'
export { type ChosenAccelerator, chooseAccelerator } from './machine/accelerator.ts'
export type { TerminalSize } from './guest/agent.ts'
export type { GuestCommand } from './machine/control/control.ts'
export { MachineError } from './machine/failure.ts'
export { QemuMachine } from './machine/qemu-machine.ts'
export type { BootPhase, CommandOptions, MachineOptions, ShareOptions } from './machine/options.ts'
export { type ChosenTransport, chooseTransport, type Transport } from './machine/transport.ts'
export { type Inventory, inventory, provision } from './provision/inventory.ts'
export { type Root, type RootOptions, fetchRoot as debianRoot } from './provision/root/root.ts'
export { type Limits, type SessionLimits, defaultLimits } from './server/limits.ts'
export type { Capture, CaptureOptions } from './network/capture.ts'
export type { LinkConditions } from './network/conditions.ts'
export { Session } from './server/session.ts'
export { boot } from './testing/boot.ts'
export {
  bootAll,
  type BootNetworkOptions,
  network,
  type NetworkedBootOptions,
} from './testing/boot-network.ts'
export type { Changes, ChangesOptions } from './testing/changes.ts'
export { CommandError } from './testing/command-error.ts'
export { Command, type ExecResult, type OutputPiece } from './testing/command.ts'
export type { ExecOptions } from './testing/exec.ts'
export { FileError } from './testing/file-error.ts'
export type { WriteFileOptions } from './testing/files.ts'
export type { KeyOptions } from './testing/keyboard.ts'
export { Machine, type PortOptions } from './testing/machine.ts'
export type { NetworkChange } from './testing/network-change.ts'
export { Network } from './testing/network.ts'
export type { NodeTestContext } from './testing/node-test-context.ts'
export type { TestContext } from './testing/owning-test.ts'
export type { VitestContext, VitestTask } from './testing/vitest-context.ts'
export type { BootOptions, MachineDisk, MachineShare, UpperDisk } from './testing/options.ts'
export { share, type ShareFiles } from './testing/share.ts'
export type { ShareContent, ShareFault, ShareFile, ShareOperation } from './testing/share-file.ts'
export type { NetworkOptions } from './testing/start-network.ts'
export type { TransferOptions } from './testing/transfer.ts'
export type { DisplayOptions } from './testing/windows.ts'
export type { RestoreOptions } from './testing/restore.ts'
export { type Preparation, snapshotOf } from './testing/snapshot-of.ts'
export { MachineSnapshot } from './testing/snapshot.ts'
export { WaitError } from './testing/wait-error.ts'
export type { WaitOptions } from './testing/wait.ts'
export { type Engine, startEngine } from './transport/engine/engine.ts'
export { SandboxError, type SandboxMode } from './transport/engine/sandbox.ts'
export type { Listen, Share } from './transport/engine/share.ts'
export { serveDuplex } from './transport/stream/duplex.ts'
export { type HostExport, HostExports } from './tree/host/exports.ts'
export type { HostPolicy } from './tree/host/policy.ts'
export { HostTree } from './tree/host/tree.ts'
export { Parked } from './tree/parked.ts'
export { constantFile, directory, type SyntheticEntry } from './tree/synthetic/entry.ts'
export { SyntheticTree } from './tree/synthetic/tree.ts'
export type {
  Attachment,
  Exports,
  Lock,
  LockClient,
  LockHolder,
  LockOwner,
  LockRange,
  LockType,
  Node,
  OpenFile,
  Owner,
  Place,
  Tree,
} from './tree/tree.ts'
export type { Later } from './tree/timers.ts'
export { PatternError } from './tree/view/pattern-error.ts'
export type { ViewPatterns } from './tree/view/sight.ts'
export { ViewTree } from './tree/view/view-tree.ts'
