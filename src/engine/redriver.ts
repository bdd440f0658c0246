// Tries undeliverable messages again, as far as somebody has ordered it: a step of each order in turn, round and round.
//
// What a step does and when the next is due is decided by the rules (`topic/undeliverable-redrive.ts`); here is only who asks, and
// when. Orders are rows: those that were under way when the server stopped are gone on with when it starts.

import type { Clock, Timer } from "../base/clock.js";
import type { ToSign } from "../topic/envelope.js";
import type { Topic } from "../topic/model.js";
import { decideRedriveStep, type RedriveStepped } from "../topic/undeliverable-redrive.js";
import type { OrderedRedrive } from "../topic/undeliverable-view.js";
import type { Engine } from "./engine.js";

/** Between two steps: leaves most of the time to callers. */
const stepMs = 5;
/** Until the next try when the engine had no room, or the storage is full. */
const retryMs = 200;
/** Until the next try after a fault, which is logged each time. */
const faultRetryMs = 10_000;

export interface RedriverParts {
  readonly engine: Pick<Engine, "executeIfIdle">;
  readonly clock: Clock;
  /** Something was handed on: whoever delivers has to look. */
  readonly moved: (topic: Pick<Topic, "namespace" | "name">) => void;
  /** Has signatures made, which later steps find. */
  readonly sign: (unsigned: readonly ToSign[]) => Promise<void>;
  /** A bug or a corrupt row; it is tried again later. */
  readonly failed: (error: unknown) => void;
}

export class Redriver {
  readonly #parts: RedriverParts;
  /** The order that was served last in this round. */
  #last: OrderedRedrive | undefined;
  /** When the first order of this round is due that has to wait. */
  #dueAt: number | undefined;
  #hasMore = false;
  /** Somebody has ordered something while a step was under way. */
  #isAsked = false;
  #isStopped = false;
  #timer: Timer | undefined;
  /** Undefined between two steps. Never fails. */
  #step: Promise<void> | undefined;

  constructor(parts: RedriverParts) {
    this.#parts = parts;
  }

  /** Goes on with what was under way when the server stopped. */
  start(): void {
    this.begin();
  }

  /** There is an order, or another one. */
  begin(): void {
    this.#isAsked = true;
    if (this.#isStopped || this.#step !== undefined) return;
    this.#timer?.cancel();
    this.#go();
  }

  /** Resolves when the step under way is done; nothing is tried from then on. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#timer?.cancel();
    await this.#step;
  }

  #go(): void {
    this.#isAsked = false;
    this.#step = this.#stepOnce().then((waitMs) => {
      this.#step = undefined;
      const pauseMs = this.#isAsked ? stepMs : waitMs;
      if (this.#isStopped || pauseMs === undefined) return;
      this.#timer = this.#parts.clock.setTimer(pauseMs, () => this.#go());
    });
  }

  /** How long to wait before the next step; undefined: until somebody asks. */
  async #stepOnce(): Promise<number | undefined> {
    const { engine, failed, sign } = this.#parts;
    try {
      const decision = await engine.executeIfIdle({
        name: "Redrive",
        bytes: 0,
        isGrowing: true,
        decide: (transaction, stamp) => decideRedriveStep(transaction, this.#last, stamp),
      });
      if (decision === undefined) return retryMs;
      if (decision.kind === "accepted") return this.#passed(decision.outcome);
      await sign(decision.rejection.unsigned);
      return stepMs;
    } catch (error) {
      failed(error);
      return faultRetryMs;
    }
  }

  #passed(stepped: RedriveStepped): number | undefined {
    if (stepped.kind === "none") return this.#roundEnded();
    const { order, topic, at } = stepped;
    this.#last = order;
    if (topic !== undefined) this.#parts.moved(topic);
    if (at === undefined) this.#hasMore = true;
    else this.#dueAt = Math.min(this.#dueAt ?? at, at);
    return stepMs;
  }

  #roundEnded(): number | undefined {
    const dueAt = this.#dueAt;
    const hasMore = this.#hasMore;
    this.#last = undefined;
    this.#dueAt = undefined;
    this.#hasMore = false;
    if (hasMore) return stepMs;
    return dueAt === undefined ? undefined : Math.max(0, dueAt - this.#parts.clock.now());
  }
}
