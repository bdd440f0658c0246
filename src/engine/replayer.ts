// Runs replays: step after step of each, many side by side, until a step says that its replay is over.
//
// What a step does and when the next is due is decided by the rules (`topic/replay-step.ts`); here is only who asks, and when. A
// paced replay is asked at its instants; the others share the time left over, so that more of them do not burden callers more.
// Replays that ran when the server stopped are found when it starts.

import type { Clock, Timer } from "../base/clock.js";
import { archiveLimits } from "../topic/archive-limits.js";
import type { RunningReplay } from "../topic/archive-view.js";
import type { ToSign } from "../topic/envelope.js";
import type { Topic } from "../topic/model.js";
import { decideFindReplays } from "../topic/replay-report.js";
import { decideReplayStep } from "../topic/replay-step.js";
import type { Engine } from "./engine.js";

/** Between two steps of replays that are not paced, of whichever replay: leaves most of the time to callers. */
const stepMs = 5;
/** Until the next try when the engine had no room, or the storage is full. */
const retryMs = 200;
/** Until the next try after a fault, which is logged each time. */
const faultRetryMs = 10_000;

export interface ReplayerParts {
  readonly engine: Pick<Engine, "executeIfIdle">;
  readonly clock: Clock;
  /** Makes signatures that a step has found missing. */
  readonly sign: (unsigned: readonly ToSign[]) => Promise<void>;
  /** Something was handed on, or a subscription goes on: whoever delivers has to look. */
  readonly moved: (topic: Topic) => void;
  /** A bug or a corrupt row; the replay is tried again later. */
  readonly failed: (error: unknown) => void;
}

interface Run {
  readonly subscription: Buffer;
  /** True while it waits for an instant of its own. */
  isPaced: boolean;
  /** Somebody has changed the replay while a step of it was under way. */
  isAsked: boolean;
  timer: Timer | undefined;
  /** Undefined between two steps. Never fails. */
  step: Promise<void> | undefined;
}

export class Replayer {
  readonly #parts: ReplayerParts;
  readonly #runs = new Map<string, Run>();
  #isStopped = false;
  #finding: Promise<void> = Promise.resolve();
  #findTimer: Timer | undefined;
  #findOn: (() => void) | undefined;

  constructor(parts: ReplayerParts) {
    this.#parts = parts;
  }

  /** Goes on with the replays that were running when the server stopped. */
  start(): void {
    this.#finding = this.#find();
  }

  /** A replay was started, or its subscription resumed: what was known of it is no more. */
  begin(subscription: Buffer): void {
    if (this.#isStopped) return;
    const key = subscription.toString("latin1");
    const known = this.#runs.get(key);
    if (known === undefined) {
      const id = Buffer.from(subscription);
      const run = { subscription: id, isPaced: false, isAsked: false, timer: undefined };
      const added: Run = { ...run, step: undefined };
      this.#runs.set(key, added);
      this.#step(key, added);
    } else if (known.step !== undefined) known.isAsked = true;
    else {
      known.timer?.cancel();
      this.#step(key, known);
    }
  }

  /** Resolves when the steps under way are done; nothing is replayed from then on. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#findTimer?.cancel();
    this.#findOn?.();
    const runs = [...this.#runs.values()];
    for (const { timer } of runs) timer?.cancel();
    await Promise.all([this.#finding, ...runs.map(({ step }) => step)]);
  }

  #step(key: string, run: Run): void {
    run.timer = undefined;
    run.isAsked = false;
    run.step = this.#stepOnce(run).then((waitMs) => {
      run.step = undefined;
      if (this.#isStopped) return;
      if (waitMs === "ended" && !run.isAsked) this.#runs.delete(key);
      else {
        const pauseMs = run.isAsked || waitMs === "ended" ? 0 : waitMs;
        run.timer = this.#parts.clock.setTimer(pauseMs, () => this.#step(key, run));
      }
    });
  }

  /** How long to wait before the next step. */
  async #stepOnce(run: Run): Promise<number | "ended"> {
    const { engine, clock, moved, failed } = this.#parts;
    try {
      const decision = await engine.executeIfIdle({
        name: "Replay",
        bytes: archiveLimits.stepBytesMax,
        isGrowing: true,
        decide: (transaction, stamp) => decideReplayStep(transaction, run.subscription, stamp),
      });
      if (decision === undefined) return retryMs;
      if (decision.kind === "rejected") {
        await this.#parts.sign(decision.rejection.unsigned);
        return 0;
      }
      const { outcome } = decision;
      switch (outcome.kind) {
        case "ended":
          if (outcome.topic !== undefined) moved(outcome.topic);
          return "ended";
        case "paused":
          return "ended";
        case "more":
          if (outcome.hasHandedOn) moved(outcome.topic);
          run.isPaced = outcome.at !== undefined;
          return outcome.at === undefined
            ? this.#sharedPauseMs()
            : Math.max(0, outcome.at - clock.now());
      }
    } catch (error) {
      failed(error);
      return faultRetryMs;
    }
  }

  #sharedPauseMs(): number {
    let count = 0;
    for (const { isPaced } of this.#runs.values()) count += isPaced ? 0 : 1;
    return stepMs * count;
  }

  async #find(): Promise<void> {
    let after: RunningReplay | undefined;
    while (!this.#isStopped) {
      const found = await this.#findPage(after);
      if (found === "later") await this.#pause(retryMs);
      else {
        for (const subscription of found.found) this.begin(subscription);
        if (found.last === undefined) return;
        after = found.last;
        await this.#pause(stepMs);
      }
    }
  }

  async #findPage(after: RunningReplay | undefined) {
    try {
      const decision = await this.#parts.engine.executeIfIdle({
        name: "FindReplays",
        bytes: 0,
        isGrowing: false,
        decide: (transaction) => decideFindReplays(transaction, after),
      });
      return decision?.kind === "accepted" ? decision.outcome : "later";
    } catch (error) {
      this.#parts.failed(error);
      return "later";
    }
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.#findOn = resolve;
      this.#findTimer = this.#parts.clock.setTimer(delayMs, resolve);
    });
  }
}
