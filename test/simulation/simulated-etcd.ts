// The coordinator's side of the world: one register file with leases, as etcd keeps it, where every operation happens at one
// instant. It may be down, be restored from an old backup, and mint epochs that nobody asked for.

import { type Epoch, epoch as epochOf, type MemberId } from "../../src/base/brands.js";
import type { CoordinatorView } from "../../src/replication/ports.js";
import type { Configuration } from "../../src/store/replica-disk.js";
import type { EventQueue } from "./event-queue.js";
import type { Trace } from "./trace.js";

interface Holder {
  readonly memberId: MemberId;
  readonly epoch: Epoch;
  readonly leaseId: number;
}

interface Hint {
  readonly memberId: MemberId;
  readonly untilMs: number;
}

export interface EtcdBackup {
  readonly epoch: Epoch;
  readonly configuration: Configuration;
}

/** A breach of the rules of this coordinator itself, for the table of mutations. */
export type EtcdFault = "none" | "epochs_not_compared";

/** etcd looks for leases that ended twice a second; simulated leases are shorter than real ones, and so is this. */
const sweepMsMax = 200;

export class SimulatedEtcd {
  readonly leaseMs: number;
  isDown = false;
  readonly #events: EventQueue;
  readonly #trace: Trace;
  readonly #fault: EtcdFault;
  readonly #sweepMs: () => number;
  readonly #leaseEnds = new Map<number, number>();
  readonly #revoked = new Set<number>();
  /** More than one for an epoch only when it was forgotten, or by a broken rule. */
  readonly #minters = new Map<number, Set<string>>();
  readonly #watchers = new Set<() => void>();
  #epoch = epochOf(0);
  #holder: Holder | undefined;
  #configuration: Configuration;
  #hint: Hint | undefined;
  #revision = 1;

  constructor(
    parts: { readonly events: EventQueue; readonly trace: Trace; readonly chance: () => number },
    options: {
      readonly leaseMs: number;
      readonly configuration: Configuration;
      readonly fault: EtcdFault;
    },
  ) {
    this.#events = parts.events;
    this.#trace = parts.trace;
    this.#sweepMs = () => parts.chance() * sweepMsMax;
    this.#configuration = options.configuration;
    this.#fault = options.fault;
    this.leaseMs = options.leaseMs;
  }

  get revision(): number {
    return this.#revision;
  }

  get configuration(): Configuration {
    return this.#configuration;
  }

  get epoch(): Epoch {
    return this.#epoch;
  }

  get holder(): MemberId | undefined {
    return this.#holder?.memberId;
  }

  wasMintedFor(memberId: string, epoch: number): boolean {
    return this.#minters.get(epoch)?.has(memberId) ?? false;
  }

  lastEpochOf(memberId: string, through: number): number {
    let last = 0;
    for (const [epoch, minters] of this.#minters) {
      if (minters.has(memberId) && epoch <= through) last = Math.max(last, epoch);
    }
    return last;
  }

  view(): CoordinatorView {
    const hint = this.#hint;
    return {
      epoch: this.#epoch,
      leader: this.#holder?.memberId,
      configuration: this.#configuration,
      hint: hint !== undefined && hint.untilMs > this.#events.nowMs ? hint.memberId : undefined,
    };
  }

  watch(changed: () => void): () => void {
    this.#watchers.add(changed);
    return () => this.#watchers.delete(changed);
  }

  /** E1. False: somebody holds the epoch, or `after` is not the last one. */
  mint(memberId: MemberId, after: Epoch, leaseId: number): boolean {
    const isFirst = this.#holder === undefined && this.#epoch === after;
    if (this.#revoked.has(leaseId)) return false;
    if (!isFirst && this.#fault !== "epochs_not_compared") return false;
    this.#give(memberId, epochOf(after + 1), leaseId);
    return true;
  }

  /** As `mint`, in the place of the living holder of `from`. */
  takeOver(memberId: MemberId, from: Epoch, leaseId: number): boolean {
    if (this.#revoked.has(leaseId)) return false;
    if (this.#holder?.epoch !== from || this.#epoch !== from) return false;
    this.#give(memberId, epochOf(from + 1), leaseId);
    return true;
  }

  /** False: there is no such lease any more. */
  renew(leaseId: number): boolean {
    if (!this.#leaseEnds.has(leaseId)) return false;
    this.#leaseEnds.set(leaseId, this.#events.nowMs + this.leaseMs);
    return true;
  }

  revoke(leaseId: number, hint: MemberId | undefined): void {
    this.#revoked.add(leaseId);
    this.#leaseEnds.delete(leaseId);
    if (hint !== undefined) {
      this.#hint = { memberId: hint, untilMs: this.#events.nowMs + this.leaseMs };
    }
    if (this.#holder?.leaseId === leaseId) this.#holder = undefined;
    this.#changed();
  }

  changeConfiguration(memberId: MemberId, epoch: Epoch, configuration: Configuration): boolean {
    const holder = this.#holder;
    if (holder === undefined || holder.memberId !== memberId || holder.epoch !== epoch)
      return false;
    if (configuration.version - 1 !== this.#configuration.version) return false;
    this.#configuration = configuration;
    this.#trace.note(() => `etcd: configuration ${configuration.version}`);
    this.#changed();
    return true;
  }

  /** Epochs that go to nobody. With a holder, only what an operator's hand does: its lease is void from now on. */
  mintMore(count: number): void {
    this.#epoch = epochOf(this.#epoch + count);
    this.#holder = undefined;
    this.#trace.note(() => `etcd: epoch is ${this.#epoch} now`);
    this.#changed();
  }

  backup(): EtcdBackup {
    return { epoch: this.#epoch, configuration: this.#configuration };
  }

  /** As after a restore: the epochs since the backup are forgotten, and no lease is known. */
  restore(backup: EtcdBackup): void {
    this.#epoch = backup.epoch;
    this.#configuration = backup.configuration;
    this.#holder = undefined;
    this.#leaseEnds.clear();
    this.#trace.note(() => `etcd: restored at epoch ${backup.epoch}`);
    this.#changed();
  }

  /** What an operator does after a restore, who looked at all members. */
  raise(epoch: Epoch, configuration: Configuration): void {
    this.#epoch = epochOf(Math.max(epoch, this.#epoch));
    this.#configuration = configuration;
    this.#holder = undefined;
    this.#leaseEnds.clear();
    this.#trace.note(() => `etcd: raised to epoch ${this.#epoch}`);
    this.#changed();
  }

  #give(memberId: MemberId, epoch: Epoch, leaseId: number): void {
    this.#epoch = epoch;
    this.#holder = { memberId, epoch, leaseId };
    const minters = this.#minters.get(epoch) ?? new Set();
    this.#minters.set(epoch, minters.add(memberId));
    this.#leaseEnds.set(leaseId, this.#events.nowMs + this.leaseMs);
    this.#expireLater(leaseId, this.leaseMs);
    this.#trace.note(() => `etcd: epoch ${epoch} for ${memberId.slice(0, 4)}`);
    this.#changed();
  }

  #expireLater(leaseId: number, afterMs: number): void {
    this.#events.after(afterMs + this.#sweepMs(), () => {
      const endsMs = this.#leaseEnds.get(leaseId);
      if (endsMs === undefined) return;
      if (endsMs > this.#events.nowMs || this.isDown) {
        // A leader of etcd that comes back grants every lease its whole time again.
        if (this.isDown) this.#leaseEnds.set(leaseId, this.#events.nowMs + this.leaseMs);
        const leftMs = (this.#leaseEnds.get(leaseId) ?? 0) - this.#events.nowMs;
        this.#expireLater(leaseId, leftMs);
        return;
      }
      this.#leaseEnds.delete(leaseId);
      if (this.#holder?.leaseId !== leaseId) return;
      this.#trace.note(() => `etcd: the lease of epoch ${this.#holder?.epoch} ended`);
      this.#holder = undefined;
      this.#changed();
    });
  }

  #changed(): void {
    this.#revision += 1;
    for (const watcher of this.#watchers) watcher();
  }
}
