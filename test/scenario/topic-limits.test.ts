// How many topics and subscriptions there may be: at the limit one more is refused with the limit and what there is, and as soon
// as one goes there is room again.

import { expect, onTestFinished, test } from "vitest";
import type { Namespace, TopicName } from "../../src/base/brands.js";
import type { Decision } from "../../src/engine/command.js";
import { TargetKind, TopicType } from "../../src/gen/forebay/topic/v1/topic.js";
import { accept } from "../../src/queue/rejections.js";
import type { Stamp } from "../../src/queue/stamp.js";
import { topicCountKey } from "../../src/store/topic-keys.js";
import { decodeTopicCount } from "../../src/store/topic-rows.js";
import {
  decideUnsubscribe,
  decideUpdateSubscription,
} from "../../src/topic/administer-subscription.js";
import { decideDeleteTopic, decideReapTopics } from "../../src/topic/administer-topic.js";
import { decideCreateTopic } from "../../src/topic/create-topic.js";
import { topicLimits } from "../../src/topic/limits.js";
import { decideConfirmSubscription } from "../../src/topic/push-confirm.js";
import { decideLeaseConfirmations } from "../../src/topic/push-confirmations.js";
import { decideSubscribePush, type PushKind } from "../../src/topic/push-subscribe.js";
import { decideSubscribeStream } from "../../src/topic/stream-subscribe.js";
import type { StateTransaction, TopicCount } from "../../src/topic/view.js";
import { EngineHarness } from "../support/engine-harness.js";
import { scenario } from "../support/scenario.js";
import { topicCall } from "../support/topics.js";
import { callError } from "../support/webhooks.js";

test("a namespace has at most a thousand FIFO topics, and room again when one is deleted", async () => {
  const t = await scenario({ create: "none" });
  const create = (index: number) =>
    topicCall(t, "createTopic", { topic: `line-${index}.fifo`, type: TopicType.FIFO });
  const { fifoTopicsMax: limit } = topicLimits;
  for (let index = 0; index < limit; index += 50) {
    await Promise.all(Array.from({ length: 50 }, (_, step) => create(index + step)));
  }
  const refused = await callError(create(limit));
  expect(refused.reason).toBe("TOPIC_LIMIT");
  expect(refused.metadata).toMatchObject({ count: String(limit), limit: String(limit) });
  // What is there is no new one, and standard topics have a limit of their own.
  expect(await create(0)).toMatchObject({ created: false });
  expect(await topicCall(t, "createTopic", { topic: "news" })).toMatchObject({ created: true });
  await topicCall(t, "deleteTopic", { topic: "line-0.fifo" });
  expect(await create(limit)).toMatchObject({ created: true });
});

test("a FIFO topic has at most a hundred subscriptions, and room again when one ends", async () => {
  const t = await scenario({ create: "none" });
  await topicCall(t, "createTopic", { topic: "line.fifo", type: TopicType.FIFO });
  const subscribe = (index: number) =>
    topicCall(t, "subscribe", {
      topic: "line.fifo",
      kind: TargetKind.STREAM,
      endpoint: `group-${index}`,
    });
  const { fifoSubscriptionsMax: limit } = topicLimits;
  const [first] = await Promise.all(Array.from({ length: limit }, (_, index) => subscribe(index)));
  const refused = await callError(subscribe(limit));
  expect(refused.reason).toBe("SUBSCRIPTION_LIMIT");
  expect(refused.quota).toEqual(["topic:line.fifo"]);
  expect(refused.metadata).toMatchObject({ count: String(limit), limit: String(limit) });
  expect(await subscribe(1)).toMatchObject({ created: false });
  await topicCall(t, "unsubscribe", { subscription: first?.subscription?.subscription ?? "" });
  expect(await subscribe(limit)).toMatchObject({ created: true });
});

const namespace = "default" as Namespace;
const address = { namespace, name: "news" as TopicName, given: "news" };

/** The rules over a store that says it has as many as a test wants. */
class Rules {
  readonly #harness: EngineHarness;

  private constructor(harness: EngineHarness) {
    this.#harness = harness;
  }

  static async start(counts: Partial<TopicCount> = {}): Promise<Rules> {
    const harness = await EngineHarness.start();
    onTestFinished(() => harness.stop());
    const rules = new Rules(harness);
    await rules.create("news");
    await rules.plant(counts);
    return rules;
  }

  decide<Outcome, Rejection>(
    decide: (transaction: StateTransaction, stamp: Stamp) => Decision<Outcome, Rejection>,
  ): Promise<Decision<Outcome, Rejection>> {
    return this.#harness.engine.execute({ name: "Test", bytes: 0, isGrowing: false, decide });
  }

  create(name: string) {
    const command = { isFifo: false, settings: {}, tags: new Map(), owner: "test" };
    const named = { namespace, name: name as TopicName, given: name };
    return this.decide((transaction, stamp) =>
      decideCreateTopic(transaction, { ...command, address: named }, stamp),
    );
  }

  plant(counts: Partial<TopicCount>) {
    return this.decide(({ topics }) => {
      topics.putTopicCount(namespace, { ...topics.topicCount(namespace), ...counts });
      return accept(undefined);
    });
  }

  async counts(): Promise<TopicCount> {
    const read = await this.decide(({ topics }) => accept(topics.topicCount(namespace)));
    if (read.kind === "rejected") throw new Error("Reading is never refused.");
    return read.outcome;
  }

  stream(endpoint: string, filterPolicy?: string) {
    const settings = filterPolicy === undefined ? {} : { filterPolicy };
    return this.decide((transaction, stamp) =>
      decideSubscribeStream(transaction, { address, endpoint, settings, owner: "test" }, stamp),
    );
  }

  push(kind: PushKind, endpoint: string) {
    const command = { address, kind, endpoint, settings: {}, owner: "test", hmacSecret: "" };
    return this.decide((transaction, stamp) =>
      decideSubscribePush(transaction, { ...command, token: `token of ${endpoint}` }, stamp),
    );
  }

  get clock() {
    return this.#harness.clock;
  }
}

const idOf = (decision: Decision<{ readonly id: Buffer }, unknown>): Buffer => {
  if (decision.kind === "rejected") throw new Error(JSON.stringify(decision.rejection));
  return Buffer.from(decision.outcome.id);
};

test("a namespace has at most 100,000 standard topics", async () => {
  const rules = await Rules.start({ standard: topicLimits.standardTopicsMax - 1 });
  expect(await rules.create("last")).toMatchObject({ kind: "accepted" });
  expect(await rules.create("one more")).toMatchObject({
    rejection: { kind: "topic_limit", count: 100_000, limit: 100_000 },
  });
});

test("the subscriptions of a namespace have at most 10,000 filters, whenever they get them", async () => {
  const { filtersPerNamespaceMax: limit } = topicLimits;
  expect(limit).toBe(10_000);
  const rules = await Rules.start({ filters: limit - 1 });
  const filter = '{"kind":["a"]}';
  const last = idOf(await rules.stream("last", filter));
  const refused = { rejection: { kind: "filters_limit", namespace, count: limit, limit } };
  expect(await rules.stream("more", filter)).toMatchObject(refused);
  const plain = idOf(await rules.stream("plain"));
  const change = (id: Buffer, filterPolicy: string | undefined) =>
    rules.decide((transaction, stamp) =>
      decideUpdateSubscription(transaction, { id, settings: { filterPolicy }, etag: "" }, stamp),
    );
  expect(await change(plain, filter)).toMatchObject(refused);
  // Another filter instead of one counts as before.
  expect(await change(last, '{"kind":["b"]}')).toMatchObject({ kind: "accepted" });
  expect(await change(last, undefined)).toMatchObject({ kind: "accepted" });
  expect(await change(plain, filter)).toMatchObject({ kind: "accepted" });
  expect((await rules.counts()).filters).toBe(limit);
  await rules.decide((transaction) => decideUnsubscribe(transaction, plain));
  expect((await rules.counts()).filters).toBe(limit - 1);
});

test("of a namespace at most 5,000 subscriptions wait to be confirmed, and functions do not wait", async () => {
  const { pendingPerNamespaceMax: limit } = topicLimits;
  expect(limit).toBe(5_000);
  const rules = await Rules.start({ pending: limit - 2 });
  await rules.push("https", "https://one.example/");
  const two = idOf(await rules.push("https", "https://two.example/"));
  const refused = { rejection: { kind: "pending_limit", namespace, count: limit, limit } };
  expect(await rules.push("https", "https://three.example/")).toMatchObject(refused);
  expect(await rules.push("function", "grpcs://four.example")).toMatchObject({ kind: "accepted" });
  // Asking again is no new one.
  expect(idOf(await rules.push("https", "https://two.example/"))).toEqual(two);
  const token = "token of https://two.example/";
  await rules.decide((transaction, stamp) =>
    decideConfirmSubscription(transaction, { address, token, isEndClosed: false }, stamp),
  );
  expect((await rules.counts()).pending).toBe(limit - 1);
  expect(await rules.push("https", "https://three.example/")).toMatchObject({ kind: "accepted" });
  // What nobody confirms in 48 hours goes.
  await rules.clock.advance(48 * 3_600_000);
  await rules.decide(decideLeaseConfirmations);
  expect((await rules.counts()).pending).toBe(limit - 2);
});

test("subscriptions of a topic that is deleted count no more when they are removed", async () => {
  const rules = await Rules.start();
  await rules.stream("one", '{"kind":["a"]}');
  await rules.push("https", "https://one.example/");
  expect(await rules.counts()).toMatchObject({ filters: 1, pending: 1 });
  await rules.decide((transaction) =>
    decideDeleteTopic(transaction, { address, etag: "", isForced: false }),
  );
  await rules.decide(decideReapTopics);
  expect(await rules.counts()).toEqual({ standard: 0, fifo: 0, filters: 0, pending: 0 });
});

test("the counts of an earlier release are read, with nothing counted of subscriptions", () => {
  const key = topicCountKey("default");
  const { bytes } = rowOf([1, 7, 3]);
  expect(decodeTopicCount(key, bytes)).toEqual({ standard: 7, fifo: 3, filters: 0, pending: 0 });
});

/** A version, and numbers of eight bytes. */
function rowOf([version = 0, ...numbers]: readonly number[]): { readonly bytes: Buffer } {
  const bytes = Buffer.alloc(1 + 8 * numbers.length);
  bytes.writeUInt8(version);
  for (const [index, number] of numbers.entries()) {
    bytes.writeBigUInt64BE(BigInt(number), 1 + 8 * index);
  }
  return { bytes };
}
