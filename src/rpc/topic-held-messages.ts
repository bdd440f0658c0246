// The messages that one consumer of a durable stream holds, so that they go back when it ends. Their deadlines are theirs: nothing
// is renewed here, and one that has passed needs nothing done.

import { milliseconds } from "../base/brands.js";
import { decideChangeVisibility } from "../queue/change-visibility.js";
import { limits } from "../queue/limits.js";
import type { QueueAddress } from "../queue/queue-name.js";
import type { Receipt } from "../queue/receipt.js";
import { streamLimits } from "../topic/stream-limits.js";
import type { CommandRunner } from "./command-runner.js";
import { handleBytes } from "./handler-context.js";
import type { ReleaseLane } from "./release-lane.js";

export interface HeldMessagesParts {
  readonly engine: CommandRunner;
  /** Of the queue behind the stream. */
  readonly address: QueueAddress;
  readonly lane: ReleaseLane;
}

interface Held {
  readonly receipt: Receipt;
  /** When somebody else gets it, in server time. */
  until: number;
  /** Commands about it whose outcome is not known yet. */
  asksUnderWay: number;
}

/** With so many, those whose deadline has passed are forgotten: the others cannot be more than may be in flight. */
const forgetAbove = 2 * streamLimits.inFlightMax;

export class HeldMessages {
  readonly #parts: HeldMessagesParts;
  readonly #held = new Map<string, Held>();
  #isReleased = false;
  #leaving: Receipt[] = [];
  #isGivingBack = false;
  #reportReleased: (() => void)[] = [];

  constructor(parts: HeldMessagesParts) {
    this.#parts = parts;
  }

  hold(handle: string, { receipt, until }: Pick<Held, "receipt" | "until">): void {
    this.#held.set(handle, { receipt, until, asksUnderWay: 0 });
    if (this.#held.size <= forgetAbove) return;
    const { now } = this.#parts.engine;
    for (const [each, held] of this.#held) {
      if (held.until <= now && held.asksUnderWay === 0) this.#held.delete(each);
    }
  }

  /** Something was asked for these handles; each is answered or extended later. */
  ask(handles: readonly string[]): void {
    for (const handle of handles) {
      const held = this.#held.get(handle);
      if (held !== undefined) held.asksUnderWay += 1;
    }
  }

  extended(handle: string, until: number): void {
    const held = this.#held.get(handle);
    if (held !== undefined) held.until = until;
    this.answered(handle, true);
  }

  /** What was asked has its outcome, which may have left it with its holder. */
  answered(handle: string, isLeft: boolean): void {
    const held = this.#held.get(handle);
    if (held === undefined) return;
    held.asksUnderWay -= 1;
    if (!isLeft) this.#held.delete(handle);
    else if (this.#isReleased && held.asksUnderWay === 0) {
      this.#held.delete(handle);
      this.#giveBack([held.receipt]);
    }
  }

  /** Gives back all that is held, and from now on whatever a command leaves. */
  release(): void {
    this.#isReleased = true;
    const { now } = this.#parts.engine;
    const receipts: Receipt[] = [];
    for (const [handle, { receipt, until, asksUnderWay }] of this.#held) {
      if (asksUnderWay > 0) continue;
      this.#held.delete(handle);
      if (until > now) receipts.push(receipt);
    }
    this.#giveBack(receipts);
  }

  /** Resolves when what was to be given back until now has been. */
  async released(): Promise<void> {
    if (!this.#isGivingBack) return;
    await new Promise<void>((resolve) => {
      this.#reportReleased.push(resolve);
    });
  }

  #giveBack(receipts: readonly Receipt[]): void {
    this.#leaving = this.#leaving.concat(receipts);
    if (!this.#isGivingBack) this.#giveBackSlice();
  }

  /** Each slice is decided as a direct reaction to the commit of the one before, so that an engine that stops waits for all. */
  #giveBackSlice(): void {
    const slice = this.#leaving.splice(0, limits.settleMax);
    this.#isGivingBack = slice.length > 0;
    if (slice.length === 0) {
      for (const report of this.#reportReleased.splice(0)) report();
      return;
    }
    const { engine, address, lane } = this.#parts;
    const entries = slice.map((receipt) => ({ receipt, timeoutMs: milliseconds(0) }));
    const goOn = (): void => {
      lane.leave(slice.length);
      this.#giveBackSlice();
    };
    lane.enter(slice.length, () => {
      // Nobody is left to tell of a refusal: then the leases end by themselves.
      engine
        .execute({
          name: "ConsumeRelease",
          bytes: handleBytes * slice.length,
          isGrowing: false,
          isOwed: true,
          decide: (transaction, stamp) =>
            decideChangeVisibility(transaction, { address, entries, isOwnLeaseOnly: true }, stamp),
        })
        .then(goOn, goOn);
    });
  }
}
