// The leases a Consume stream holds: renewed while it lives, given back when it does not.
//
// Both go slice by slice, since a stream may hold 100,000 and every decision holds up everybody else. While an ack, nack or
// reject of a handle is under way its lease is neither renewed nor given back; when that is refused and the lease is still
// there, it is held as before. Only leases that the stream was given, or that its caller had it take over, are touched, never one
// that came after.

import { type EpochMs, milliseconds } from "../base/brands.js";
import type { Clock, Timer } from "../base/clock.js";
import {
  decideChangeVisibility,
  type Follower,
  type GiveBackResult,
  type VisibilityEntry,
} from "../queue/change-visibility.js";
import type { HoldResult } from "../queue/hold-leases.js";
import { limits } from "../queue/limits.js";
import type { Receipt } from "../queue/receipt.js";
import type { Stamp } from "../queue/stamp.js";
import type { QueueTransaction } from "../queue/view.js";
import type { BoundQueue } from "./bound-queue.js";
import type { CommandRunner } from "./command-runner.js";
import { handleBytes } from "./handler-context.js";
import type { LeaseHolders } from "./lease-holders.js";
import type { ReleaseLane } from "./release-lane.js";
import { translateFault } from "./wire-errors.js";

export interface HeldLeasesParts {
  readonly engine: CommandRunner;
  readonly clock: Clock;
  readonly queue: BoundQueue;
  readonly lane: ReleaseLane;
  readonly holders: LeaseHolders;
  /** Told the handles of leases that ended although nothing was asked of them. */
  readonly lost: (handles: readonly string[]) => void;
  /** Told that the queue is gone, or of a bug. */
  readonly failed: (error: unknown) => void;
}

export interface Lease {
  readonly receipt: Receipt;
  /** When it was received. */
  readonly leasedAt: EpochMs;
  /** How long it is each time it is renewed. */
  readonly leaseMs: number;
  /** FIFO queues: the group, whose order the stream keeps; undefined on standard queues. */
  readonly orderedGroup: string | undefined;
}

interface Held {
  readonly lease: Lease;
  /** Acks, nacks and rejects of this handle whose outcome is not known yet. */
  asksUnderWay: number;
}

type HeldEntry = readonly [string, Held];

export interface HeldFollower extends Follower {
  readonly handle: string;
}

/** Leases are renewed when a third has passed, so two renewals may fail before one ends. */
const renewalsPerLease = 3;
/** A renewal is decided a little after its length is computed; the 12 h must not be passed by that. */
const clockSlackMs = 100;
/** Rounds of renewals for leases that reach their 12 h are at least this far apart, and so late at most is `lost`. */
const lastRoundsMs = 1_000;

/** Whether what became of a change says that the lease is no longer there, or no longer the stream's. */
export const isGone = (result: GiveBackResult | HoldResult | undefined): boolean =>
  result?.kind === "refused" &&
  result.rejection.kind !== "visibility_limit_exceeded" &&
  result.rejection.kind !== "dead_letter_queue_not_found";

export class HeldLeases {
  readonly #parts: HeldLeasesParts;
  readonly #held = new Map<string, Held>();
  /** FIFO: the handles that are held, by group. A nack looks at its group alone, since there may be 100,000 others. */
  readonly #groups = new Map<string, Set<string>>();
  #renewal: Timer | undefined;
  #renewMs = 0;
  #renewAtMs = 0;
  #isRenewing = false;
  /** `given_back`, `kept`: the stream is over, and this is what becomes of what is left. */
  #standing: "held" | "given_back" | "kept" = "held";
  /** To be given back, by handle. */
  readonly #leaving = new Map<string, Receipt>();
  #isGivingBack = false;
  #reportReleased: (() => void) | undefined;

  constructor(parts: HeldLeasesParts) {
    this.#parts = parts;
  }

  hold(handle: string, lease: Lease): void {
    if (this.#standing !== "held") {
      const isAnsweredLater = this.#held.has(handle);
      if (this.#standing === "given_back" && !isAnsweredLater) {
        this.#giveBack([[handle, lease.receipt]]);
      }
      return;
    }
    this.#parts.holders.set(handle, this);
    this.#held.set(handle, { lease, asksUnderWay: this.#held.get(handle)?.asksUnderWay ?? 0 });
    const { orderedGroup } = lease;
    if (orderedGroup !== undefined) {
      const group = this.#groups.get(orderedGroup);
      if (group === undefined) this.#groups.set(orderedGroup, new Set([handle]));
      else group.add(handle);
    }
    this.#renewMs = lease.leaseMs / renewalsPerLease;
    this.#scheduleRenewal(this.#roundMs(this.#leftMs(lease)));
  }

  #drop(handle: string): void {
    const orderedGroup = this.#held.get(handle)?.lease.orderedGroup;
    this.#held.delete(handle);
    this.#parts.holders.delete(handle, this);
    if (orderedGroup === undefined) return;
    const group = this.#groups.get(orderedGroup);
    group?.delete(handle);
    if (group?.size === 0) this.#groups.delete(orderedGroup);
  }

  /** Something was asked for these handles; each is `answered` later. Handles that are not held are no concern. */
  ask(handles: readonly string[]): void {
    for (const handle of handles) {
      const held = this.#held.get(handle);
      if (held !== undefined) held.asksUnderWay += 1;
    }
  }

  /** What was asked for a handle has its outcome, which may have left the lease as it was. */
  answered(handle: string, isLeft: boolean): void {
    const held = this.#held.get(handle);
    if (held === undefined) return;
    held.asksUnderWay -= 1;
    if (!isLeft) this.#drop(handle);
    else if (this.#standing !== "held" && held.asksUnderWay === 0) {
      this.#drop(handle);
      if (this.#standing === "given_back") this.#giveBack([[handle, held.lease.receipt]]);
    }
  }

  /** Another stream takes these over, which are this one's: they are neither renewed nor given back from now on. */
  yieldTo(handles: readonly string[]): void {
    for (const handle of handles) {
      this.#drop(handle);
      this.#leaving.delete(handle);
    }
    if (this.#standing === "held") this.#parts.lost(handles);
  }

  /**
   * FIFO: what is held, with nothing asked of it, behind messages that are being given back, in their groups. Each is named
   * with the first handle that it follows.
   */
  followersOf(handles: readonly string[]): readonly HeldFollower[] {
    const first = new Map<string, { readonly place: number; readonly index: number }>();
    handles.forEach((handle, index) => {
      const lease = this.#held.get(handle)?.lease;
      if (lease?.orderedGroup === undefined) return;
      const known = first.get(lease.orderedGroup);
      const place = lease.receipt.sequence;
      if (known === undefined || place < known.place)
        first.set(lease.orderedGroup, { place, index });
    });
    return [...first].flatMap(([group, ahead]) =>
      this.#heldOf([...(this.#groups.get(group) ?? [])])
        .filter(this.#isUntouched)
        .filter(([, { lease }]) => lease.receipt.sequence > ahead.place)
        .map(([handle, { lease }]) => ({ handle, receipt: lease.receipt, index: ahead.index })),
    );
  }

  /** They were given back with one they followed. */
  follow(followers: readonly HeldFollower[]): void {
    this.#lose(this.#heldOf(followers.map(({ handle }) => handle)));
  }

  /** Those of these handles that are held. */
  #heldOf(handles: readonly string[]): readonly HeldEntry[] {
    return handles.flatMap((handle) => {
      const held = this.#held.get(handle);
      return held === undefined ? [] : [[handle, held] as const];
    });
  }

  // --- renewing -----------------------------------------------------------------------------------------------------------

  /** The earlier of this and what is scheduled already. */
  #scheduleRenewal(delayMs: number): void {
    if (this.#standing !== "held") return;
    const { clock } = this.#parts;
    const renewAtMs = clock.monotonicMs() + delayMs;
    if (this.#renewal !== undefined && this.#renewAtMs <= renewAtMs) return;
    this.#renewal?.cancel();
    this.#renewAtMs = renewAtMs;
    this.#renewal = clock.setTimer(delayMs, () => {
      this.#renewal = undefined;
      void this.#renew();
    });
  }

  /** Extends every lease held to its full length again, as far as the 12 h allow. */
  async #renew(): Promise<void> {
    if (this.#standing !== "held" || this.#held.size === 0) return;
    this.#scheduleRenewal(this.#nextRoundMs());
    // The disk is slow: what is under way does for this round.
    if (this.#isRenewing) return;
    this.#isRenewing = true;
    try {
      await this.#renewAll();
    } catch (error) {
      this.#parts.failed(error);
    } finally {
      this.#isRenewing = false;
    }
  }

  /** The next round is due when a third of a lease has passed, or when the first lease reaches its 12 h. */
  #nextRoundMs(): number {
    let nextMs = this.#renewMs;
    for (const { lease } of this.#held.values()) {
      const leftMs = this.#leftMs(lease);
      if (leftMs > 0 && leftMs < nextMs) nextMs = leftMs;
    }
    return this.#roundMs(nextMs);
  }

  /** When a round is due for a lease of whose 12 h so much is left. */
  #roundMs(leftMs: number): number {
    return Math.max(Math.min(leftMs, this.#renewMs), Math.min(lastRoundsMs, this.#renewMs));
  }

  async #renewAll(): Promise<void> {
    const leaseMs = this.#renewMs * renewalsPerLease;
    const entries = [...this.#held];
    for (let from = 0; from < entries.length; from += limits.settleMax) {
      if (this.#standing !== "held") return;
      const slice = entries.slice(from, from + limits.settleMax).filter(this.#isUntouched);
      // At 12 h there is nothing to renew; the lease ends by itself, about now.
      const isOver = ([, { lease }]: HeldEntry): boolean => this.#leftMs(lease) <= 0;
      this.#lose(slice.filter(isOver));
      const renewable = slice.filter((entry) => !isOver(entry));
      if (renewable.length > 0) await this.#renewSome(renewable, leaseMs);
    }
  }

  async #renewSome(slice: readonly HeldEntry[], leaseMs: number): Promise<void> {
    const entries = slice.map(([, { lease }]) => ({
      receipt: lease.receipt,
      timeoutMs: milliseconds(Math.min(leaseMs, this.#leftMs(lease))),
    }));
    try {
      const results = await this.#parts.queue.run(this.#change("ConsumeRenew", entries));
      this.#lose(slice.filter((_, index) => isGone(results[index])));
    } catch (error) {
      const fault = translateFault(error);
      if (fault === undefined || fault.reason === "QUEUE_NOT_FOUND") throw error;
      // The engine is busy or a row is corrupt: tried again with the next round; a lease has three.
    }
  }

  /** Held, and with nothing asked of it. */
  readonly #isUntouched = ([handle, held]: HeldEntry): boolean =>
    this.#held.get(handle) === held && held.asksUnderWay === 0;

  #lose(entries: readonly HeldEntry[]): void {
    // What was acked while a renewal was under way is gone, not lost.
    const lost = entries.filter(this.#isUntouched).map(([handle]) => handle);
    for (const handle of lost) this.#drop(handle);
    if (lost.length > 0 && this.#standing === "held") this.#parts.lost(lost);
  }

  /** What is left of a lease's 12 h. */
  #leftMs({ leasedAt }: Lease): number {
    return leasedAt + limits.leaseMsMax - clockSlackMs - this.#parts.engine.now;
  }

  // --- giving back --------------------------------------------------------------------------------------------------------

  /** Gives back all that is held, and from now on whatever a refused ack, nack or reject leaves. */
  release(): void {
    this.#giveBack(this.#leave("given_back").map(([handle, { lease }]) => [handle, lease.receipt]));
  }

  /** Lets go of all that is held, and leaves its leases as they are. */
  keep(): void {
    this.#leave("kept");
  }

  /** Returns what nothing is asked of; the rest is `answered` later. */
  #leave(standing: "given_back" | "kept"): readonly HeldEntry[] {
    this.#standing = standing;
    this.#renewal?.cancel();
    const untouched = [...this.#held].filter(this.#isUntouched);
    for (const [handle] of untouched) this.#drop(handle);
    return untouched;
  }

  /** Resolves when what was to be given back until now has been. */
  async released(): Promise<void> {
    if (!this.#isGivingBack) return;
    await new Promise<void>((resolve) => {
      this.#reportReleased = resolve;
    });
  }

  #giveBack(receipts: readonly (readonly [string, Receipt])[]): void {
    for (const [handle, receipt] of receipts) {
      this.#leaving.set(handle, receipt);
      // Until it is under way, another stream may still take it over.
      this.#parts.holders.set(handle, this);
    }
    if (!this.#isGivingBack) this.#giveBackSlice();
  }

  /**
   * Each slice is decided as a direct reaction to the commit of the one before: so an engine that is stopping, as the rest of
   * the server, finds itself idle only after the last.
   */
  #giveBackSlice(): void {
    const count = Math.min(this.#leaving.size, limits.settleMax);
    this.#isGivingBack = count > 0;
    if (count === 0) {
      this.#reportReleased?.();
      return;
    }
    const { engine, queue, lane } = this.#parts;
    const goOn = (): void => {
      lane.leave(count);
      this.#giveBackSlice();
    };
    lane.enter(count, () => {
      const entries = this.#takeLeaving(count);
      // Nobody is left to tell of a refusal: if the queue is gone there is nothing to give back, and if the store cannot take
      // even this, the leases end by themselves.
      engine
        .execute(queue.command({ ...this.#change("ConsumeRelease", entries), isOwed: true }))
        .then(goOn, goOn);
    });
  }

  /** Fewer than `countMax` where others have taken some over since. */
  #takeLeaving(countMax: number): readonly VisibilityEntry[] {
    const slice: VisibilityEntry[] = [];
    for (const [handle, receipt] of this.#leaving) {
      if (slice.length === countMax) break;
      slice.push({ receipt, timeoutMs: milliseconds(0) });
      this.#leaving.delete(handle);
      this.#parts.holders.delete(handle, this);
    }
    return slice;
  }

  #change(name: string, entries: readonly VisibilityEntry[]) {
    const { address } = this.#parts.queue;
    return {
      name,
      bytes: handleBytes * entries.length,
      isGrowing: false,
      decide: (transaction: QueueTransaction, stamp: Stamp) =>
        decideChangeVisibility(transaction, { address, entries, isOwnLeaseOnly: true }, stamp),
    };
  }
}
