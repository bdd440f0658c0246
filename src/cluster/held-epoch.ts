// An epoch that this member holds: keeps its lease alive, once a second, for as long as it is alive.

import type { Epoch } from "../base/brands.js";
import type { Timer } from "../base/clock.js";
import type { Log } from "../base/log.js";
import type { MemberClock } from "../replication/ports.js";
import type { EtcdClient } from "./etcd-client.js";
import { asEtcdFault } from "./etcd-fault.js";
import { LeaseTerm, type Moment } from "./lease.js";

export interface HeldEpochParts {
  readonly client: Pick<EtcdClient, "renewLease">;
  readonly clock: MemberClock;
  readonly log: Log;
  readonly times: {
    readonly renewMs: number;
    readonly leaseMarginMs: number;
    readonly gapMsMax: number;
  };
}

/** Often enough to notice a gap of half a second. */
const lookMs = 100;

export class HeldEpoch {
  readonly epoch: Epoch;
  readonly lease: bigint;
  readonly term: LeaseTerm;
  readonly #parts: HeldEpochParts;
  #ended: () => void = () => undefined;
  #lookTimer: Timer | undefined;
  #renewTimer: Timer | undefined;
  /** When the last renewal was sent, answered or not. */
  #sentMs = Number.NEGATIVE_INFINITY;
  #isStopped = false;

  constructor(
    parts: HeldEpochParts,
    granted: {
      readonly epoch: Epoch;
      readonly lease: bigint;
      /** When the lease was asked for. */
      readonly sent: Moment;
      readonly ttlMs: number;
    },
  ) {
    const { leaseMarginMs, gapMsMax } = parts.times;
    this.epoch = granted.epoch;
    this.lease = granted.lease;
    this.#parts = parts;
    const times = { marginMs: leaseMarginMs, gapMsMax };
    this.term = new LeaseTerm(parts.clock, times, granted.sent, granted.ttlMs);
  }

  /** Renews from now on; `ended` is called once if the lease ends nevertheless. */
  keep(ended: () => void): void {
    this.#ended = ended;
    this.#renew();
    this.#look();
  }

  stop(): void {
    this.#isStopped = true;
    this.#lookTimer?.cancel();
    this.#renewTimer?.cancel();
  }

  #look(): void {
    if (this.#isStopped) return;
    this.term.look();
    if (this.#endIfOver()) return;
    if (!this.term.wouldProve(this.#sentMs)) {
      this.#parts.log.warn({ epoch: this.epoch }, "this process stood still; renewing the lease");
      this.#renew();
    }
    this.#lookTimer = this.#parts.clock.setTimer(lookMs, () => this.#look());
  }

  #renew(): void {
    if (this.#isStopped) return;
    const { client, clock, log, times } = this.#parts;
    this.#renewTimer?.cancel();
    this.#renewTimer = clock.setTimer(times.renewMs, () => this.#renew());
    const sentMs = clock.monotonicMs();
    this.#sentMs = sentMs;
    client.renewLease(this.lease).then(
      ({ ttlMs }) => {
        if (this.#isStopped) return;
        this.term.renewed(sentMs, ttlMs);
        this.#endIfOver();
      },
      (error: unknown) => {
        log.warn({ err: asEtcdFault(error), epoch: this.epoch }, "the lease was not renewed");
      },
    );
  }

  #endIfOver(): boolean {
    if (!this.term.isOver) return false;
    this.stop();
    this.#ended();
    return true;
  }
}
