// Whoever is subscribed gets each message that was published meanwhile once and in order, in whatever order publishes, steps of
// fan-out, subscriptions, pauses and restarts come; and nothing is kept that nobody waits for.

import fc from "fast-check";
import { expect, test } from "vitest";
import { type Namespace, sequence, type TopicName } from "../../src/base/brands.js";
import type { Decision } from "../../src/engine/command.js";
import { accept } from "../../src/queue/rejections.js";
import type { Stamp } from "../../src/queue/stamp.js";
import {
  decideReportSubscription,
  decideUnsubscribe,
  decideUpdateSubscription,
} from "../../src/topic/administer-subscription.js";
import { decideReportTopic } from "../../src/topic/administer-topic.js";
import { decideCreateTopic } from "../../src/topic/create-topic.js";
import { decideFanOut } from "../../src/topic/fan-out.js";
import { decidePublish, type PublishEntry } from "../../src/topic/publish.js";
import { decidePurgeBacklog } from "../../src/topic/purge-backlog.js";
import { decideSubscribe } from "../../src/topic/subscribe.js";
import type { StateTransaction } from "../../src/topic/view.js";
import { addressOf } from "../support/engine-entries.js";
import { EngineHarness } from "../support/engine-harness.js";
import { propertyTimeoutMs, runs } from "../support/property.js";

const address = { namespace: "default" as Namespace, name: "news" as TopicName, given: "news" };
/** More than a publish hands on to by itself. */
const queueCount = 14;

type Step =
  | { readonly kind: "publish"; readonly count: number; readonly sizeBytes: number }
  | {
      readonly kind: "subscribe" | "unsubscribe" | "pause" | "resume" | "purge";
      readonly queue: number;
    }
  | { readonly kind: "hand_on"; readonly steps: number }
  | { readonly kind: "restart" };

const anyQueue = fc.nat({ max: queueCount - 1 });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("publish" as const),
      count: fc.integer({ min: 1, max: 40 }),
      // A round takes a megabyte: some messages are all of one.
      sizeBytes: fc.constantFrom(5, 5, 5, 300_000, 1_048_576),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constantFrom(
        ...(["subscribe", "subscribe", "unsubscribe", "pause", "resume", "purge"] as const),
      ),
      queue: anyQueue,
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("hand_on" as const),
      steps: fc.integer({ min: 1, max: 6 }),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: "restart" as const }) },
);

/** What a queue should hold in the end, by a plain list of what was published. */
interface Expected {
  id: Buffer | undefined;
  bodies: string[];
}

class Run {
  readonly #harness: EngineHarness;
  readonly #queues: readonly Expected[] = Array.from({ length: queueCount }, () => ({
    id: undefined,
    bodies: [],
  }));
  #published = 0;

  private constructor(harness: EngineHarness) {
    this.#harness = harness;
  }

  static async begin(subscribed: number): Promise<Run> {
    const run = new Run(await EngineHarness.start());
    await run.#decide((transaction, stamp) =>
      decideCreateTopic(
        transaction,
        { address, isFifo: false, settings: {}, tags: new Map(), owner: "somebody" },
        stamp,
      ),
    );
    for (let queue = 0; queue < queueCount; queue += 1) {
      await run.#harness.createQueue(`queue-${queue}`);
      if (queue < subscribed) await run.do({ kind: "subscribe", queue });
    }
    return run;
  }

  async #decide<Outcome>(
    decide: (
      transaction: StateTransaction,
      stamp: Stamp,
    ) => Decision<Outcome, { readonly kind: string }>,
  ): Promise<Outcome> {
    const command = { name: "Test", bytes: 100, isGrowing: true, decide };
    const decision = await this.#harness.engine.execute(command);
    if (decision.kind === "rejected") throw new Error(decision.rejection.kind);
    return decision.outcome;
  }

  async do(step: Step): Promise<void> {
    switch (step.kind) {
      case "publish":
        return await this.#publish(step.count, step.sizeBytes);
      case "subscribe":
        return await this.#subscribe(step.queue);
      case "unsubscribe":
        return await this.#unsubscribe(step.queue);
      case "pause":
        return await this.#setPaused(step.queue, true);
      case "resume":
        return await this.#setPaused(step.queue, false);
      case "purge":
        return await this.#purge(step.queue);
      case "hand_on": {
        for (let left = step.steps; left > 0; left -= 1) await this.#handOn();
        return;
      }
      case "restart":
        return await this.#harness.restart();
    }
  }

  async #publish(count: number, sizeBytes: number): Promise<void> {
    const bodies = Array.from({ length: count }, (_, index) => `${this.#published + index}`);
    this.#published += count;
    const entries = bodies.map((body) => entryOf(body, sizeBytes));
    await this.#decide((transaction, stamp) =>
      decidePublish(transaction, { address, entries, isWhole: true, isCounted: false }, stamp),
    );
    for (const expected of this.#queues) {
      if (expected.id !== undefined) expected.bodies.push(...bodies);
    }
  }

  async #subscribe(queue: number): Promise<void> {
    const { id } = await this.#decide((transaction, stamp) =>
      decideSubscribe(
        transaction,
        {
          address,
          queue: addressOf(`queue-${queue}`),
          settings: { isRaw: true },
          owner: "somebody",
        },
        stamp,
      ),
    );
    this.#of(queue).id = id;
  }

  async #unsubscribe(queue: number): Promise<void> {
    const expected = this.#of(queue);
    const { id } = expected;
    if (id === undefined) return;
    await this.#decide((transaction) => decideUnsubscribe(transaction, id));
    expected.id = undefined;
    // What it had not got is dropped: it has a beginning of what was for it.
    const got = await this.#bodiesIn(queue);
    expect(got).toEqual(expected.bodies.slice(0, got.length));
    expected.bodies = got;
  }

  async #purge(queue: number): Promise<void> {
    const expected = this.#of(queue);
    const { id } = expected;
    if (id === undefined) return;
    const { count } = await this.#decide((transaction, stamp) =>
      decidePurgeBacklog(transaction, { id, before: undefined }, stamp),
    );
    const got = await this.#bodiesIn(queue);
    expect(got.length + count).toBe(expected.bodies.length);
    expected.bodies = got;
  }

  async #setPaused(queue: number, isPaused: boolean): Promise<void> {
    const { id } = this.#of(queue);
    if (id === undefined) return;
    await this.#decide((transaction, stamp) =>
      decideUpdateSubscription(transaction, { id, settings: { isPaused }, etag: "" }, stamp),
    );
  }

  async #handOn(): Promise<boolean> {
    return (await this.#decide((transaction, stamp) => decideFanOut(transaction, address, stamp)))
      .hasMore;
  }

  #of(queue: number): Expected {
    const expected = this.#queues[queue];
    if (expected === undefined) throw new Error("There is no such queue.");
    return expected;
  }

  async #bodiesIn(queue: number): Promise<string[]> {
    return await this.#decide((transaction) => {
      const { namespace, name } = addressOf(`queue-${queue}`);
      const found = transaction.findQueue(namespace, name);
      const bodies: string[] = [];
      if (found === undefined) return accept(bodies);
      for (const { message } of transaction.messageHeadsFrom(found, sequence(0))) {
        bodies.push(message?.content.body.toString("utf8") ?? "?");
      }
      return accept(bodies);
    });
  }

  /** Lets everybody have everything. */
  async end(): Promise<void> {
    for (let queue = 0; queue < queueCount; queue += 1) await this.#setPaused(queue, false);
    for (let left = 5_000; await this.#handOn(); left -= 1) {
      if (left === 0) throw new Error("Fan-out does not come to its end.");
    }
    for (const [queue, { id, bodies }] of this.#queues.entries()) {
      expect(await this.#bodiesIn(queue)).toEqual(bodies);
      if (id === undefined) continue;
      const report = await this.#decide((transaction, stamp) =>
        decideReportSubscription(transaction, id, stamp),
      );
      expect(report).toMatchObject({ backlog: 0, filtered: 0, state: "confirmed" });
    }
    const { counters } = await this.#decide((transaction, stamp) =>
      decideReportTopic(transaction, address, stamp),
    );
    const { nextSequence } = counters;
    expect(counters).toMatchObject({ published: this.#published, firstSequence: nextSequence });
    expect(counters.lane).toMatchObject({ from: nextSequence, to: nextSequence });
    await this.#harness.check();
    await this.#harness.stop();
  }
}

const entryOf = (text: string, sizeBytes: number): PublishEntry => ({
  isText: true,
  isStructured: false,
  body: Buffer.from(text),
  contentType: "",
  subject: undefined,
  attributes: [],
  groupId: undefined,
  dedupId: undefined,
  sizeBytes,
  senderId: "somebody",
  traceParent: undefined,
  delayMs: undefined,
  timeToLiveMs: undefined,
  fieldPrefix: "",
});

test(
  "whoever is subscribed gets every message once and in order",
  async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat({ max: queueCount }),
        fc.array(step, { maxLength: 40 }),
        async (subscribed, steps) => {
          const run = await Run.begin(subscribed);
          for (const each of steps) await run.do(each);
          await run.end();
        },
      ),
      runs(400),
    );
  },
  propertyTimeoutMs,
);
