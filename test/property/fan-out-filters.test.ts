// With filters that change all the time, each queue gets what its filter took when it was published: also where fan-out keeps what
// it knows of subscriptions and messages in memory, and where commands that changed them are rejected afterwards or found no room.

import fc from "fast-check";
import { expect, test } from "vitest";
import { type Namespace, sequence, type TopicName } from "../../src/base/brands.js";
import type { Decision } from "../../src/engine/command.js";
import { accept } from "../../src/queue/rejections.js";
import type { Stamp } from "../../src/queue/stamp.js";
import {
  decideUnsubscribe,
  decideUpdateSubscription,
} from "../../src/topic/administer-subscription.js";
import { decideCreateTopic } from "../../src/topic/create-topic.js";
import { decideFanOut } from "../../src/topic/fan-out.js";
import { topicLimits } from "../../src/topic/limits.js";
import { decidePublish, type PublishEntry } from "../../src/topic/publish.js";
import { decideSubscribe } from "../../src/topic/subscribe.js";
import type { StateTransaction } from "../../src/topic/view.js";
import { addressOf } from "../support/engine-entries.js";
import { EngineHarness } from "../support/engine-harness.js";
import { propertyTimeoutMs, runs } from "../support/property.js";

const address = { namespace: "default" as Namespace, name: "news" as TopicName, given: "news" };
/** More than a publish hands on to by itself. */
const queueCount = 13;

const colours = ["red", "green", undefined] as const;
type Colour = (typeof colours)[number];

/** Policies, and by hand what they take. */
const policies: readonly { readonly policy: string; readonly takes: (of: Colour) => boolean }[] = [
  { policy: "", takes: () => true },
  { policy: '{"colour":["red"]}', takes: (of) => of === "red" },
  { policy: '{"colour":["green","blue"]}', takes: (of) => of === "green" },
  { policy: '{"colour":[{"exists":false}]}', takes: (of) => of === undefined },
  { policy: '{"colour":[{"anything-but":["red"]}]}', takes: (of) => of === "green" },
];

type Change =
  | { readonly kind: "filter"; readonly queue: number; readonly policy: number }
  | { readonly kind: "pause" | "resume" | "unsubscribe" | "subscribe"; readonly queue: number }
  | { readonly kind: "publish"; readonly colours: readonly Colour[]; readonly sizeBytes: number }
  | { readonly kind: "hand_on"; readonly steps: number };

type Step =
  | Change
  /** All of them, and then the command is rejected. */
  | { readonly kind: "rejected"; readonly changes: readonly Change[] }
  | { readonly kind: "restart" };

const anyQueue = fc.nat({ max: queueCount - 1 });
const change: fc.Arbitrary<Change> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("filter" as const),
      queue: anyQueue,
      policy: fc.nat({ max: policies.length - 1 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constantFrom("pause", "resume", "unsubscribe", "subscribe" as const),
      queue: anyQueue,
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("publish" as const),
      colours: fc.array(fc.constantFrom(...colours), { minLength: 1, maxLength: 30 }),
      // A step ends after a megabyte of copies: with long ones a round takes several.
      sizeBytes: fc.constantFrom(5, 400_000),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("hand_on" as const),
      steps: fc.integer({ min: 1, max: 4 }),
    }),
  },
);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 12, arbitrary: change },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("rejected" as const),
      changes: fc.array(change, { minLength: 1, maxLength: 4 }),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: "restart" as const }) },
);

interface Expected {
  id: Buffer | undefined;
  policy: number;
  bodies: string[];
}

class Run {
  readonly #harness: EngineHarness;
  readonly #queues: Expected[] = Array.from({ length: queueCount }, () => ({
    id: undefined,
    policy: 0,
    bodies: [],
  }));
  #published = 0;

  private constructor(harness: EngineHarness) {
    this.#harness = harness;
  }

  static async begin(): Promise<Run> {
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
      await run.do({ kind: "subscribe", queue });
    }
    return run;
  }

  async #decide<Outcome>(
    decide: (
      transaction: StateTransaction,
      stamp: Stamp,
    ) => Decision<Outcome, { readonly kind: string }>,
  ): Promise<Decision<Outcome, { readonly kind: string }>> {
    return await this.#harness.engine.execute({ name: "T", bytes: 100, isGrowing: true, decide });
  }

  async do(each: Step): Promise<void> {
    if (each.kind === "restart") return await this.#harness.restart();
    if (each.kind !== "rejected") return await this.#do(each);
    await this.#decide((transaction, stamp) => {
      for (const one of each.changes) this.#change(one, transaction, stamp);
      return { kind: "rejected", rejection: { kind: "test" } };
    });
  }

  async #do(each: Change): Promise<void> {
    await this.#decide((transaction, stamp) => {
      this.#change(each, transaction, stamp)?.();
      return accept(undefined);
    });
    // What it had not got yet is dropped with the subscription.
    if (each.kind === "unsubscribe") await this.#forget(each.queue);
  }

  async #forget(queue: number): Promise<void> {
    const expected = this.#queues[queue] as Expected;
    const got = await this.#bodiesIn(queue);
    expect(got).toEqual(expected.bodies.slice(0, got.length));
    expected.bodies = got;
  }

  /** Makes a change; what is expected of it is noted by what is returned, once it is certain. */
  #change(each: Change, transaction: StateTransaction, stamp: Stamp): (() => void) | undefined {
    switch (each.kind) {
      case "hand_on":
        for (let left = each.steps; left > 0; left -= 1) decideFanOut(transaction, address, stamp);
        return undefined;
      case "publish":
        return this.#publish(each, transaction, stamp);
      case "subscribe":
        return this.#subscribe(each.queue, transaction, stamp);
    }
    const expected = this.#queues[each.queue] as Expected;
    const { id } = expected;
    if (id === undefined) return undefined;
    if (each.kind === "unsubscribe") {
      decideUnsubscribe(transaction, id);
      return () => {
        expected.id = undefined;
      };
    }
    const settings =
      each.kind === "filter"
        ? { filterPolicy: policies[each.policy]?.policy || undefined }
        : { isPaused: each.kind === "pause" };
    const decided = decideUpdateSubscription(transaction, { id, settings, etag: "" }, stamp);
    if (decided.kind === "rejected" || each.kind !== "filter") return undefined;
    return () => {
      expected.policy = each.policy;
    };
  }

  #subscribe(queue: number, transaction: StateTransaction, stamp: Stamp) {
    const expected = this.#queues[queue] as Expected;
    if (expected.id !== undefined) return undefined;
    const decided = decideSubscribe(
      transaction,
      {
        address,
        queue: addressOf(`queue-${queue}`),
        settings: { isRaw: true },
        owner: "somebody",
      },
      stamp,
    );
    return () => {
      expected.id = decided.kind === "accepted" ? decided.outcome.id : undefined;
      expected.policy = 0;
    };
  }

  #publish(
    each: Extract<Change, { kind: "publish" }>,
    transaction: StateTransaction,
    stamp: Stamp,
  ): () => void {
    const first = this.#published;
    const entries = each.colours.map((colour, index) =>
      entryOf(`${first + index}`, colour, each.sizeBytes),
    );
    decidePublish(transaction, { address, entries, isWhole: true, isCounted: false }, stamp);
    return () => {
      this.#published += entries.length;
      for (const { id, policy, bodies } of this.#queues) {
        if (id === undefined) continue;
        for (const [index, colour] of each.colours.entries()) {
          if (policies[policy]?.takes(colour)) bodies.push(`${first + index}`);
        }
      }
    };
  }

  async #bodiesIn(queue: number): Promise<string[]> {
    const bodies: string[] = [];
    await this.#decide((transaction) => {
      const { namespace, name } = addressOf(`queue-${queue}`);
      const found = transaction.findQueue(namespace, name);
      if (found === undefined) return accept(undefined);
      for (const { message } of transaction.messageHeadsFrom(found, sequence(0))) {
        bodies.push(message?.content.body.toString("utf8") ?? "?");
      }
      return accept(undefined);
    });
    return bodies;
  }

  async end(): Promise<void> {
    for (let queue = 0; queue < queueCount; queue += 1) await this.do({ kind: "resume", queue });
    for (let left = 2_000; ; left -= 1) {
      const decided = await this.#decide((transaction, stamp) =>
        decideFanOut(transaction, address, stamp),
      );
      if (decided.kind === "accepted" && !decided.outcome.hasMore) break;
      if (left === 0) throw new Error("Fan-out does not come to its end.");
    }
    for (const [queue, { bodies }] of this.#queues.entries()) {
      expect(await this.#bodiesIn(queue)).toEqual(bodies);
    }
    await this.#harness.check();
    await this.#harness.stop();
  }
}

const entryOf = (text: string, colour: Colour, sizeBytes: number): PublishEntry => ({
  isText: true,
  isStructured: false,
  body: Buffer.from(text),
  contentType: "",
  subject: undefined,
  attributes:
    colour === undefined
      ? []
      : [{ name: "colour", dataType: "String", isText: true, value: Buffer.from(colour) }],
  groupId: undefined,
  dedupId: undefined,
  sizeBytes,
  senderId: "somebody",
  traceParent: undefined,
  delayMs: undefined,
  timeToLiveMs: undefined,
  fieldPrefix: "",
});

const allOf = async (steps: readonly Step[]): Promise<void> => {
  const run = await Run.begin();
  for (const each of steps) await run.do(each);
  await run.end();
};

test(
  "each queue gets what its filter took when it was published",
  async () => {
    await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 40 }), allOf), runs(300));
  },
  propertyTimeoutMs,
);

test("a topic with more subscriptions than are kept in memory is served without", async () => {
  const kept = topicLimits.keptSubscriptionsMax;
  const limits = topicLimits as { keptSubscriptionsMax: number };
  limits.keptSubscriptionsMax = 5;
  try {
    const red = { kind: "publish", colours: ["red", undefined], sizeBytes: 5 } as const;
    await allOf([
      { kind: "filter", queue: 3, policy: 1 },
      { kind: "filter", queue: 9, policy: 2 },
      red,
      { kind: "hand_on", steps: 1 },
      { kind: "filter", queue: 3, policy: 3 },
      red,
    ]);
  } finally {
    limits.keptSubscriptionsMax = kept;
  }
});
