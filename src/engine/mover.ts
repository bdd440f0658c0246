// Runs move tasks: step after step of each, many tasks side by side, until a step says that its task has ended.
//
// What a step does and when the next is due is decided by the rules (`queue/move-step.ts`); here is only who asks, and when. A
// task with a rate is asked at its instants; the others share the time left over, so that more of them do not burden callers
// more. Tasks that ran when the server stopped are found when it starts.

import type { Clock, Timer } from "../base/clock.js";
import { decideMoveStep } from "../queue/move-step.js";
import type { MoveTaskId } from "../queue/move-task.js";
import { decideFindMoves } from "../queue/move-tasks.js";
import type { Engine } from "./engine.js";

/** Between two steps of tasks without a rate, of whichever task: leaves most of the time to callers. */
const stepMs = 5;
/** Until the next try when the engine had no room, or the storage is full. */
const retryMs = 200;
/** Until the next try after a fault, which is logged each time. */
const faultRetryMs = 10_000;
/** Tasks looked at in one command when the running ones are found. */
const tasksPerPage = 1_000;
/** What a step is taken to write, for the engine's bound: a hundred messages of some 2 KB, out of one queue and into another. */
const stepBytes = 400_000;

export interface MoverParts {
  readonly engine: Pick<Engine, "executeIfIdle">;
  readonly clock: Clock;
  /** Messages were moved, and that is on disk. */
  readonly moved: (count: number) => void;
  /** A bug or a corrupt row; the task is tried again later. */
  readonly failed: (error: unknown) => void;
}

interface RunningMove {
  readonly id: MoveTaskId;
  /** True while it waits for an instant of its own. */
  isPaced: boolean;
  timer: Timer | undefined;
  /** Never fails. */
  step: Promise<void>;
}

export class Mover {
  readonly #parts: MoverParts;
  readonly #running = new Map<string, RunningMove>();
  #isStopped = false;
  #finding: Promise<void> = Promise.resolve();
  #findTimer: Timer | undefined;
  #findOn: (() => void) | undefined;

  constructor(parts: MoverParts) {
    this.#parts = parts;
  }

  get runningCount(): number {
    return this.#running.size;
  }

  /** Goes on with the tasks that were running when the server stopped. */
  start(): void {
    this.#finding = this.#find();
  }

  /** Runs a task that was started; one that runs already is left alone. */
  begin(id: MoveTaskId): void {
    const key = `${id.source} ${id.number}`;
    if (this.#isStopped || this.#running.has(key)) return;
    const move: RunningMove = { id, isPaced: false, timer: undefined, step: Promise.resolve() };
    this.#running.set(key, move);
    this.#step(key, move);
  }

  /** Resolves when the steps under way are done; nothing moves from then on. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#findTimer?.cancel();
    this.#findOn?.();
    const moves = [...this.#running.values()];
    for (const { timer } of moves) timer?.cancel();
    await Promise.all([this.#finding, ...moves.map(({ step }) => step)]);
  }

  #step(key: string, move: RunningMove): void {
    move.timer = undefined;
    move.step = this.#stepOnce(move).then((waitMs) => {
      if (waitMs === "ended") this.#running.delete(key);
      else if (!this.#isStopped) {
        move.timer = this.#parts.clock.setTimer(waitMs, () => this.#step(key, move));
      }
    });
  }

  /** How long to wait before the next step. */
  async #stepOnce(move: RunningMove): Promise<number | "ended"> {
    const { engine, clock, moved, failed } = this.#parts;
    try {
      const decision = await engine.executeIfIdle({
        name: "MoveMessages",
        bytes: stepBytes,
        isGrowing: true,
        decide: (transaction, stamp) => decideMoveStep(transaction, move.id, stamp),
      });
      if (decision?.kind !== "accepted") return retryMs;
      const { movedCount, next } = decision.outcome;
      if (movedCount > 0) moved(movedCount);
      if (next.kind === "ended") return "ended";
      move.isPaced = next.at !== undefined;
      return next.at === undefined ? this.#sharedPauseMs() : Math.max(0, next.at - clock.now());
    } catch (error) {
      failed(error);
      return faultRetryMs;
    }
  }

  #sharedPauseMs(): number {
    let count = 0;
    for (const { isPaced } of this.#running.values()) count += isPaced ? 0 : 1;
    return stepMs * count;
  }

  async #find(): Promise<void> {
    let after: MoveTaskId | undefined;
    while (!this.#isStopped) {
      const found = await this.#findPage(after);
      if (found === "later") await this.#pause(retryMs);
      else {
        for (const id of found.running) this.begin(id);
        if (found.last === undefined) return;
        after = found.last;
        await this.#pause(stepMs);
      }
    }
  }

  async #findPage(after: MoveTaskId | undefined) {
    try {
      const decision = await this.#parts.engine.executeIfIdle({
        name: "FindMoves",
        bytes: 0,
        isGrowing: false,
        decide: (transaction) => decideFindMoves(transaction, { after, countMax: tasksPerPage }),
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
