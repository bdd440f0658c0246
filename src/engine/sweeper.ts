// Clean-up in the background: small steps, one at a time, with pauses, so that it never competes with callers.
//
// Each round settles every queue (ended leases and delays, expired messages), forgets old results of request ids and remembered
// ids whose time is over, and reaps purged and deleted segments. Nothing depends on when it runs; see `queue/sweep.ts`.

import type { Clock, Timer } from "../base/clock.js";
import {
  decideReapItems,
  decideReapLost,
  decideRelieve,
  decideSweepFences,
} from "../cache/sweep-cache.js";
import type { Stamp } from "../queue/stamp.js";
import {
  decideReap,
  decideSweepQueues,
  decideSweepRequests,
  type SweepQueues,
} from "../queue/sweep.js";
import { decideSweepRemembered } from "../queue/sweep-remembered.js";
import { decideSweepAttempts } from "../topic/attempts.js";
import { decideSweepDraining } from "../topic/drain-topic.js";
import type { Topic } from "../topic/model.js";
import { decideSweepUndeliverable } from "../topic/undeliverable.js";
import type { StateTransaction, TopicSegment } from "../topic/view.js";
import type { Decision } from "./command.js";
import type { Engine } from "./engine.js";
import { RememberedTurns } from "./remembered-turns.js";

/** Between two rounds. */
const roundMs = 1_000;
/** Between two steps of a round that has more to do: leaves most of the time to callers. */
const stepMs = 5;
/** Queues looked at in one step. */
const queuesPerStep = 100;

/** Before all queues. */
const firstQueue: SweepQueues["after"] = { namespace: "", name: "" };

export interface SweeperParts {
  readonly engine: Engine;
  readonly clock: Clock;
  /** Everybody has what a deleted topic had, and it is gone. */
  readonly drained: (topic: Topic) => void;
  /** A bug or a corrupt row; the round is given up, the next one tries again. */
  readonly failed: (error: unknown) => void;
}

export class Sweeper {
  readonly #parts: SweeperParts;
  #timer: Timer | undefined;
  #resume: (() => void) | undefined;
  #swept: SweepQueues["after"] = firstQueue;
  /** Undefined: those that drain are looked at from the first one on. */
  #drainsSwept: TopicSegment | undefined;
  /** True until every queue was swept once. */
  #isFirstWalk = true;
  readonly #remembered = new RememberedTurns();
  #isStopped = false;
  #round: Promise<void> = Promise.resolve();

  constructor(parts: SweeperParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#schedule(roundMs);
  }

  /** Resolves when the step under way is done. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#timer?.cancel();
    this.#resume?.();
    await this.#round;
  }

  #schedule(delayMs: number): void {
    if (this.#isStopped) return;
    this.#timer = this.#parts.clock.setTimer(delayMs, () => {
      this.#round = this.sweepOnce()
        .catch(this.#parts.failed)
        .finally(() => this.#schedule(roundMs));
    });
  }

  /**
   * One whole round: a step of each kind in turn until none has more to do, so that one queue with much to settle keeps
   * nothing else waiting. A kind that fails, or finds the engine busy, is done for this round.
   */
  async sweepOnce(): Promise<void> {
    this.#remembered.startRound();
    const kinds = [
      () => this.#sweepQueues(),
      () => this.#step("SweepRequests", decideSweepRequests),
      () => this.#sweepRemembered(),
      () => this.#step("SweepAttempts", decideSweepAttempts),
      () => this.#step("SweepUndeliverable", decideSweepUndeliverable),
      () => this.#sweepDraining(),
      () => this.#step("SweepItems", decideReapItems),
      () => this.#step("SweepFences", decideSweepFences),
      () => this.#step("SweepCollections", decideReapLost),
      () => this.#step("EvictItems", decideRelieve),
      () => this.#step("Reap", decideReap),
    ];
    let left = kinds;
    while (left.length > 0 && !this.#isStopped) {
      const more: typeof kinds = [];
      for (const step of left) {
        if (await this.#hasMore(step)) more.push(step);
        if (this.#isStopped) return;
      }
      left = more;
      if (left.length > 0) await this.#pause();
    }
  }

  async #hasMore(step: () => Promise<{ readonly hasMore: boolean } | undefined>): Promise<boolean> {
    try {
      return (await step())?.hasMore ?? false;
    } catch (error) {
      this.#parts.failed(error);
      return false;
    }
  }

  /** The next queues after those swept last, also in the round before; at the end it starts over with the next round. */
  async #sweepQueues(): Promise<{ readonly hasMore: boolean } | undefined> {
    const command: SweepQueues = {
      after: this.#swept,
      countMax: queuesPerStep,
      isThorough: this.#isFirstWalk,
    };
    const swept = await this.#step("SweepQueues", (transaction, stamp) =>
      decideSweepQueues(transaction, command, stamp),
    );
    if (swept === undefined) return undefined;
    this.#swept = swept.last ?? firstQueue;
    if (swept.last === undefined) this.#isFirstWalk = false;
    this.#remembered.meet(swept.remembering);
    return { hasMore: swept.last !== undefined };
  }

  /** Remembered ids of the next queues in turn; none costs nothing. */
  async #sweepRemembered(): Promise<{ readonly hasMore: boolean } | undefined> {
    const cursors = this.#remembered.next(queuesPerStep);
    if (cursors.length === 0) return undefined;
    try {
      const swept = await this.#step("SweepRemembered", (transaction, stamp) =>
        decideSweepRemembered(transaction, cursors, stamp),
      );
      if (swept === undefined) return undefined;
      this.#remembered.swept(swept);
    } catch (error) {
      this.#remembered.failed(cursors.length);
      throw error;
    }
    return { hasMore: this.#remembered.hasMore };
  }

  /** The next topics that drain, after those looked at last. */
  async #sweepDraining(): Promise<{ readonly hasMore: boolean } | undefined> {
    const swept = await this.#step("SweepDraining", (transaction, stamp) =>
      decideSweepDraining(transaction, this.#drainsSwept, stamp),
    );
    if (swept === undefined) return undefined;
    this.#drainsSwept = swept.last;
    for (const topic of swept.ended) this.#parts.drained(topic);
    return swept;
  }

  /** Undefined when the engine had no room for it: the round ends, callers come first. */
  async #step<Outcome>(
    name: string,
    decide: (transaction: StateTransaction, stamp: Stamp) => Decision<Outcome, unknown>,
  ): Promise<Outcome | undefined> {
    const decision = await this.#parts.engine.executeIfIdle({
      name,
      bytes: 0,
      isGrowing: false,
      decide,
    });
    return decision?.kind === "accepted" ? decision.outcome : undefined;
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => {
      this.#resume = resolve;
      this.#timer = this.#parts.clock.setTimer(stepMs, resolve);
    });
  }
}
