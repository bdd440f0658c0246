// The engine beside a model. Rules are decided the moment they are asked for, in order, so what a rule decided is known and
// compared at once, at the step that is wrong; its answer comes when it is durable. Commits may be held back meanwhile, so
// that calls meet each other's uncommitted rows.

import fc, { type Parameters } from "fast-check";
import { expect, test } from "vitest";
import type { DurationMs } from "../../src/base/brands.js";
import { decideFindQueue } from "../../src/queue/administer-queue.js";
import { decideReceiveMessages } from "../../src/queue/receive-messages.js";
import type { MessagesReceived } from "../../src/queue/received.js";
import type { Decided, QueueRejection } from "../../src/queue/rejections.js";
import type { Stamp } from "../../src/queue/stamp.js";
import { decideSweepQueues } from "../../src/queue/sweep.js";
import type { QueueTransaction } from "../../src/queue/view.js";
import type { Store } from "../../src/store/store.js";
import { addressOf } from "../support/engine-entries.js";
import { EngineHarness } from "../support/engine-harness.js";
import { LateLog } from "../support/late-log.js";
import { MemoryStore } from "../support/memory-store.js";
import { propertyTimeoutMs, runs } from "../support/property.js";
import { openTestStore, temporaryDirectory } from "../support/temporary-store.js";

export interface ReceiveCall {
  readonly countMax: number;
  readonly bytesMax: number;
  readonly visibilityTimeoutMs: number | undefined;
  readonly attemptId?: string | undefined;
}

export type ReceiveDecided =
  | { readonly kind: "received"; readonly received: MessagesReceived }
  | { readonly kind: "nothing" }
  | { readonly kind: "rejected"; readonly rejection: QueueRejection };

/** Lets something of what is held back go on; says whether anything was. */
export type Release = () => Promise<boolean> | boolean;

export class EngineUnderTest {
  readonly #harness: EngineHarness;
  readonly #release: Release;
  readonly #reopen: (() => Promise<Store>) | undefined;
  #answers: Promise<unknown>[] = [];
  #error: Error | undefined;

  constructor(harness: EngineHarness, release: Release, reopen?: () => Promise<Store>) {
    this.#harness = harness;
    this.#release = release;
    this.#reopen = reopen;
  }

  get now(): number {
    return this.#harness.clock.now();
  }

  advance(ms: number): void {
    this.#harness.clock.advanceAtOnce(ms);
  }

  /** Runs a rule and returns what it decided. Calls to come see it, committed or not. */
  run<Outcome>(
    name: string,
    decide: (transaction: QueueTransaction, stamp: Stamp) => Decided<Outcome>,
  ): Decided<Outcome> {
    let decided: Decided<Outcome> | undefined;
    const answer = this.#harness.run(name, (transaction, stamp) => {
      decided = this.#noteError(() => decide(transaction, stamp));
      return decided;
    });
    this.#awaitLater(answer);
    if (this.#error !== undefined) throw this.#error;
    if (decided === undefined) throw new Error(`${name} was not decided at once.`);
    return decided;
  }

  /** As `run`, for a rule that is not refused. */
  accepted<Outcome>(
    name: string,
    decide: (transaction: QueueTransaction, stamp: Stamp) => Decided<Outcome>,
  ): Outcome {
    const decided = this.run(name, decide);
    if (decided.kind === "accepted") return decided.outcome;
    throw new Error(`${name} was refused: ${decided.rejection.kind}.`);
  }

  /** A short poll. */
  receive(queue: string, call: ReceiveCall): ReceiveDecided {
    const address = addressOf(queue);
    let decided: ReceiveDecided = { kind: "nothing" };
    const { decision } = this.#harness.engine.executeOrWait<
      MessagesReceived | undefined,
      QueueRejection
    >({
      name: "ReceiveMessage",
      bytes: 1_000,
      isGrowing: false,
      locate: (transaction) => {
        const found = decideFindQueue(transaction, address);
        if (found.kind === "accepted") {
          return { kind: "accepted", outcome: { queue: found.outcome.number, waitMs: 0 } };
        }
        decided = found;
        return found;
      },
      decide: (transaction, stamp, waited) => {
        const command = {
          address,
          countMax: call.countMax,
          bytesMax: call.bytesMax,
          visibilityTimeoutMs: call.visibilityTimeoutMs as DurationMs | undefined,
          isShortPoll: true,
          attemptId: call.attemptId,
        };
        const found = this.#noteError(() =>
          decideReceiveMessages(transaction, command, stamp, waited.queue),
        );
        if (found.kind === "accepted") decided = { kind: "received", received: found.outcome };
        else if (found.kind === "rejected") decided = found;
        return found;
      },
      empty: () => undefined,
    });
    this.#awaitLater(decision);
    if (this.#error !== undefined) throw this.#error;
    if (this.#harness.store.openRangeCount > 0) throw new Error("A receive left a range open.");
    return decided;
  }

  /** Reads the state as the next call would see it. A rule that is refused leaves no trace, whatever it did to see that. */
  look<Seen>(see: (transaction: QueueTransaction, stamp: Stamp) => Seen): Seen {
    let seen: readonly [Seen] | undefined;
    this.run("Look", (transaction, stamp) => {
      seen = [see(transaction, stamp)];
      return { kind: "rejected", rejection: { kind: "request_id_reused" } };
    });
    if (seen === undefined) throw new Error("Nothing was seen.");
    return seen[0];
  }

  /** One round of the sweeper over all queues. */
  sweep(): void {
    const { hasMore } = this.accepted("SweepQueues", (transaction, stamp) =>
      decideSweepQueues(transaction, { after: { namespace: "", name: "" }, countMax: 100 }, stamp),
    );
    expect(hasMore, "a history is small enough for one step of the sweeper").toBe(false);
  }

  reap(): void {
    this.#awaitLater(this.#harness.reap());
  }

  /** The engine answers an error later; the step that is wrong is this one. */
  #noteError<Result>(work: () => Result): Result {
    try {
      return work();
    } catch (error) {
      this.#error = error instanceof Error ? error : new Error(String(error));
      throw error;
    }
  }

  #awaitLater(answer: Promise<unknown>): void {
    // Seen when it is waited for, unless something else has failed by then.
    answer.catch(() => undefined);
    this.#answers.push(answer);
  }

  /** Lets the commit that is held go on, or some step of one. */
  async commit(): Promise<boolean> {
    const wasHeld = await this.#release();
    await eventLoopTurn();
    return wasHeld;
  }

  /** Lets commits through until every call is answered, and then until nothing is held back any more. */
  async settle(): Promise<void> {
    const answers = this.#answers;
    this.#answers = [];
    await this.#pumpUntil(Promise.all(answers));
    while (await this.commit());
  }

  /** Ends the engine and starts another over what is committed by then, which is everything. */
  async restart(): Promise<void> {
    await this.settle();
    await this.#pumpUntil(this.#harness.restart(this.#reopen));
  }

  /** Waits for everything; the store must contradict itself nowhere, before and after garbage is removed. */
  async finish(): Promise<void> {
    await this.settle();
    await this.#pumpUntil(this.#harness.check());
    await this.#pumpUntil(this.#harness.reap());
    await this.#pumpUntil(this.#harness.check());
    expect(this.#harness.failures).toEqual([]);
  }

  async #pumpUntil<Result>(work: Promise<Result>): Promise<Result> {
    let isDone = false;
    const finished = work.finally(() => {
      isDone = true;
    });
    // Its rejection is seen below.
    finished.catch(() => undefined);
    while (!isDone) await this.commit();
    return await finished;
  }
}

const eventLoopTurn = async (): Promise<void> => {
  await new Promise<void>((resolve) => {
    setImmediate(resolve);
  });
};

/** A history that fails is made smaller only while there is time to tell of it. */
const inTime = <Example>(parameters: Parameters<Example>): Parameters<Example> => ({
  ...parameters,
  interruptAfterTimeLimit: propertyTimeoutMs * 0.8,
  markInterruptAsFailure: true,
});

/** What a property does with an engine and the calls of one run. */
export type History<Call> = (engine: EngineUnderTest, calls: readonly Call[]) => Promise<void>;

/** From one command a record to all of them. */
const recordBytesMax = fc.constantFrom(1, 300, 1_000_000);

/**
 * Three tests of one property: over a store in memory whose commits are held back, over a log that commits late, and over the
 * real store.
 */
export function testOnBothStores<Call>(property: {
  /** A sentence that goes on after "over a store in memory". */
  readonly title: string;
  readonly call: fc.Arbitrary<Call>;
  readonly history: History<Call>;
  /** Histories that are always run: what was wrong once, and what random ones seldom meet. */
  readonly examples: readonly (readonly Call[])[];
  /** Calls of one run at most. */
  readonly callsMax: number;
  readonly runsInMemory: number;
  readonly runsOnDisk: number;
}): void {
  const { title, call, history, callsMax, runsInMemory, runsOnDisk } = property;
  const examples = property.examples.map((given): [Call[]] => [[...given]]);
  const calls = fc.array(call, { minLength: 5, maxLength: callsMax, size: "max" });

  test(
    `over a store in memory ${title}, whatever is uncommitted`,
    async () => {
      await fc.assert(
        fc.asyncProperty(calls, async (given) => {
          const memory = new MemoryStore();
          const harness = await EngineHarness.start({ store: memory });
          memory.mode = "held";
          await history(new EngineUnderTest(harness, () => memory.release()), given);
        }),
        inTime(runs(runsInMemory, examples)),
      );
    },
    propertyTimeoutMs,
  );

  test(
    `over a log that commits late ${title}, whatever is stored, committed or applied`,
    async () => {
      await fc.assert(
        fc.asyncProperty(calls, recordBytesMax, async (given, bytesMax) => {
          const store = new MemoryStore();
          const log = new LateLog(store, bytesMax);
          const harness = await EngineHarness.start({ store, log });
          let turn = 0;
          const step = async (): Promise<boolean> => {
            turn += 7;
            return await log.someStep(turn);
          };
          await history(new EngineUnderTest(harness, step), given);
        }),
        inTime(
          runs(
            Math.ceil(runsInMemory / 6),
            examples.map(([given]): [Call[], number] => [given, 300]),
          ),
        ),
      );
    },
    propertyTimeoutMs,
  );

  test(
    `over the real store ${title}, across restarts`,
    async () => {
      await fc.assert(
        fc.asyncProperty(calls, async (given) => {
          const directory = temporaryDirectory();
          const harness = await EngineHarness.start({ store: openTestStore(directory) });
          const reopen = async (): Promise<Store> =>
            await Promise.resolve(openTestStore(directory));
          try {
            await history(new EngineUnderTest(harness, () => false, reopen), given);
          } finally {
            await harness.stop();
          }
        }),
        inTime(runs(runsOnDisk, examples)),
      );
    },
    propertyTimeoutMs,
  );
}
