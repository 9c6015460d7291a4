/** A host directory as the lower layer of virtual machines. */
export { ErrnoError, type ErrnoName } from './sys/errno.ts'
export { type ChosenAccelerator, chooseAccelerator } from './machine/accelerator.ts'
export type { TerminalSize } from './guest/agent.ts'
export type { GuestCommand } from './machine/control/control.ts'
export { MachineError } from './machine/failure.ts'
export { type CommandOptions, QemuMachine } from './machine/qemu-machine.ts'
export type { BootPhase, MachineHooks } from './machine/hooks.ts'
export type { MachinePlan } from './machine/plan.ts'
export { type ChosenTransport, chooseTransport, type Transport } from './machine/transport.ts'
export { type Inventory, inventory, provision } from './provision/inventory.ts'
export { type Root, type RootOptions, fetchRoot as debianRoot } from './provision/root/root.ts'
export { type Limits, type SessionLimits, defaultLimits } from './9p/session-limits.ts'
export type { Capture, CaptureOptions } from './network/capture.ts'
export type { LinkConditions } from './network/conditions.ts'
export { Session } from './9p/session.ts'
export { boot } from './driver/boot.ts'
export {
  bootAll,
  type BootNetworkOptions,
  network,
  type NetworkedBootOptions,
} from './driver/boot-network.ts'
export type { Changes, ChangesOptions } from './driver/changes.ts'
export { CommandError } from './driver/command-error.ts'
export { Command, type ExecResult, type OutputPiece } from './driver/command.ts'
export type { ExecOptions } from './driver/exec.ts'
export { FileError } from './driver/file-error.ts'
export type { WriteFileOptions } from './driver/guest-files.ts'
export type { KeyOptions } from './driver/keyboard.ts'
export { Machine, type PortOptions } from './driver/machine.ts'
export type { NetworkChange } from './driver/network-change.ts'
export { Network } from './driver/network.ts'
export type { NodeTestContext } from './driver/node-test-context.ts'
export type { TestContext } from './driver/owning-test.ts'
export type { VitestContext, VitestTask } from './driver/vitest-context.ts'
export type { BootOptions, MachineDisk, MachineShare, UpperDisk } from './driver/options.ts'
export { share, type ShareFiles } from './driver/share.ts'
export type { ShareContent, ShareFault, ShareFile, ShareOperation } from './driver/share-file.ts'
export type { NetworkOptions } from './driver/start-network.ts'
export type { TransferOptions } from './driver/transfer.ts'
export type { DisplayOptions } from './driver/windows.ts'
export type { RestoreOptions } from './driver/restore.ts'
export { type Preparation, snapshotOf } from './driver/snapshot-of.ts'
export { MachineSnapshot } from './driver/machine-snapshot.ts'
export { WaitError } from './driver/wait-error.ts'
export type { WaitOptions } from './driver/wait.ts'
export { type Engine, startEngine } from './server/engine.ts'
export { SandboxError, type SandboxMode } from './server/sandbox.ts'
export type { Listen, Share } from './server/share.ts'
export { serveDuplex } from './transport/stream/duplex.ts'
export { type HostExport, HostExports } from './tree/host/host-exports.ts'
export type { HostPolicy } from './tree/host/policy.ts'
export { HostTree } from './tree/host/host-tree.ts'
export { Parked } from './tree/parked.ts'
export { constantFile, directory, type SyntheticEntry } from './tree/synthetic/entry.ts'
export { SyntheticTree } from './tree/synthetic/synthetic-tree.ts'
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
export type { Later } from './tree/later.ts'
export { PatternError } from './tree/view/pattern-error.ts'
export type { ViewPatterns } from './tree/view/sight.ts'
export { ViewTree } from './tree/view/view-tree.ts'
