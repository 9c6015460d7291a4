/**
 * The VM test driver: boots machines on a directory of the host, and gives tests what they need of them. Other faces of
 * the package: `lowerdir/vitest`, `lowerdir/server`, `lowerdir/9p`, `lowerdir/report`.
 */

// Machines.
export { boot } from './driver/boot.ts'
export {
  bootAll,
  type BootNetworkOptions,
  network,
  type NetworkedBootOptions,
} from './driver/boot-network.ts'
export { Machine, type PortOptions } from './driver/machine.ts'
export { MachineSnapshot } from './driver/machine-snapshot.ts'
export { type Preparation, snapshotOf } from './driver/snapshot-of.ts'
export { share, type ShareFiles } from './driver/share.ts'
export type { ShareContent, ShareFault, ShareFile, ShareOperation } from './driver/share-file.ts'

// Their options.
export type {
  BootOptions,
  MachineDisk,
  MachineShare,
  UpperDirectory,
  UpperDisk,
} from './driver/options.ts'
export type { WatchOptions } from './driver/assemble.ts'
export type { RestoreOptions } from './driver/restore.ts'
export type { MachineOptions, PortForward } from './machine/options.ts'
export type { Accelerator, AcceleratorChoice } from './machine/accelerator.ts'
export type { Transport, TransportChoice } from './machine/transport.ts'
export type { BootPhase } from './machine/hooks.ts'
export type { CacheMode } from './guest/mount.ts'
export type { GuestInit, GuestPhase } from './guest/init.ts'
export type {
  IdRange,
  IdStep,
  IdTranslation,
  OwnerTranslation,
  Ownership,
} from './tree/host/owners.ts'
export type { ViewPatterns } from './tree/view/sight.ts'
export type { Tree } from './tree/tree.ts'
export type { NodeTestContext } from './driver/node-test-context.ts'
export type { TestContext } from './driver/owning-test.ts'
export type { VitestContext, VitestSuite, VitestTask } from './driver/vitest-context.ts'

// What a machine does for a test.
export type { Changes, ChangesOptions } from './driver/changes.ts'
export { Command, type ExecResult, type FailedCommand, type OutputPiece } from './driver/command.ts'
export type { ExecOptions } from './driver/exec.ts'
export type { WriteFileOptions } from './driver/guest-files.ts'
export type { KeyOptions } from './driver/keyboard.ts'
export type { UnitOptions } from './driver/systemd/systemctl.ts'
export type { JournalOptions } from './driver/systemd/units.ts'
export type { TransferOptions } from './driver/transfer.ts'
export type { WaitErrorOptions, WaitOptions } from './driver/waits/wait.ts'
export type { DisplayOptions } from './driver/windows.ts'
export type { QmpEvent } from './machine/qmp.ts'

// Networks.
export { type Capture, Network } from './driver/network.ts'
export type { NetworkChange } from './driver/network-change.ts'
export type { NetworkedOptions, NetworkOptions } from './driver/start-network.ts'
export type { CaptureFilter, CaptureOptions } from './network/capture.ts'
export type { LinkConditions } from './network/conditions.ts'
export type { PathCounters } from './network/path.ts'

// The record of a machine.
export type { CommandRecord, Recorder, WaitRecord } from './record/recorder.ts'
export type * from './record/event.ts'

// Errors.
export { CommandError } from './driver/command.ts'
export { FileError } from './driver/guest-files.ts'
export { WaitError } from './driver/waits/wait.ts'
export { MachineError } from './machine/failure.ts'
export { KernelError } from './guest/kernel.ts'
export { type ProvisionCode, ProvisionError } from './provision/provision-error.ts'
export { PatternError } from './tree/view/glob.ts'
export { ErrnoError, type ErrnoName } from './sys/errno.ts'

// What a guest needs: QEMU, a kernel, busybox, a root.
export { type ChosenAccelerator, chooseAccelerator } from './machine/accelerator.ts'
export {
  type Finding,
  type Inventory,
  inventory,
  type InventoryOptions,
  type PartName,
  type Parts,
  provision,
  type ProvisionOptions,
} from './provision/inventory.ts'
export type { Busybox } from './provision/busybox.ts'
export type { FetchOptions, OnProgress, Progress, ProgressPhase } from './provision/archive.ts'
export type { Kernel } from './guest/kernel.ts'
export type { FoundKernel } from './provision/kernel.ts'
export type { Qemu, QemuVersion } from './provision/qemu.ts'
export { type Root, type RootOptions, fetchRoot as debianRoot } from './provision/root/root.ts'
