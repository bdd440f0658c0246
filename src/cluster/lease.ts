// Until when a lease surely lives, by this machine's monotonic clock alone.
//
// etcd counts from when it heard of a renewal, which is after it was sent; so the sending of the last renewal that was answered,
// plus what was granted, is early enough, and a margin more is taken off for what etcd itself may get wrong around a change of
// its leader. The clock may stand still while the machine does: whoever finds that this process stood still trusts the lease
// again only after a renewal that was sent since.

/** What a lease reads of time. */
export interface LeaseClock {
  monotonicMs(): number;
  wallMs(): number;
}

/** One instant on both clocks. */
export interface Moment {
  readonly monotonicMs: number;
  readonly wallMs: number;
}

export const momentOf = (clock: LeaseClock): Moment => ({
  monotonicMs: clock.monotonicMs(),
  wallMs: clock.wallMs(),
});

export interface LeaseTimes {
  /** Taken off the time to live. */
  readonly marginMs: number;
  /** A process that did not look at the time for longer than this stood still. */
  readonly gapMsMax: number;
}

export class LeaseTerm {
  readonly #clock: LeaseClock;
  readonly #times: LeaseTimes;
  #ttlMs: number;
  #sentMs: number;
  /** A renewal proves the lease only if it was sent after this. */
  #stoodStillUntilMs = Number.NEGATIVE_INFINITY;
  #isOver = false;
  #lookedMs: number;
  #lookedWallMs: number;

  /** A lease that was granted, and whose grant was asked for at `sent`. Whoever waited long for it renews it before trusting it. */
  constructor(clock: LeaseClock, times: LeaseTimes, sent: Moment, ttlMs: number) {
    this.#clock = clock;
    this.#times = times;
    this.#ttlMs = ttlMs;
    this.#sentMs = sent.monotonicMs;
    this.#lookedMs = sent.monotonicMs;
    this.#lookedWallMs = sent.wallMs;
    this.look();
  }

  /** Notes how time goes on: to be called often. */
  look(): void {
    const nowMs = this.#clock.monotonicMs();
    const wallMs = this.#clock.wallMs();
    // The wall clock goes on while the machine sleeps. A step of it looks the same and costs one renewal.
    const gapMs = Math.max(nowMs - this.#lookedMs, wallMs - this.#lookedWallMs);
    this.#lookedMs = nowMs;
    this.#lookedWallMs = wallMs;
    // What is over stays over: somebody else may have come and gone since.
    if (nowMs >= this.#endMs) this.#isOver = true;
    if (gapMs > this.#times.gapMsMax) this.#stoodStillUntilMs = nowMs;
  }

  /** A renewal sent at `sentMs` was answered; a time to live of 0 says that the lease is gone. */
  renewed(sentMs: number, ttlMs: number): void {
    this.look();
    if (ttlMs <= 0) this.#isOver = true;
    if (this.#isOver || sentMs <= this.#sentMs) return;
    this.#sentMs = sentMs;
    this.#ttlMs = ttlMs;
  }

  /** The lease lives before this instant of the monotonic clock. */
  deadlineMs(): number {
    this.look();
    return this.#isOver ? Number.NEGATIVE_INFINITY : this.#endMs;
  }

  isProven(): boolean {
    this.look();
    return !this.#isOver && this.wouldProve(this.#sentMs);
  }

  /** Whether the answer to a renewal sent at `sentMs` would be a proof. */
  wouldProve(sentMs: number): boolean {
    return sentMs >= this.#stoodStillUntilMs;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  get #endMs(): number {
    return this.#sentMs + this.#ttlMs - this.#times.marginMs;
  }
}
