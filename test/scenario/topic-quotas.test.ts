// The quotas of topics as settings of the server: at each one more is refused with the limit, whatever kind of target it is, and
// what a server is set to holds after its restart.

import { expect, test } from "vitest";
import { TargetKind, TopicType } from "../../src/gen/forebay/topic/v1/topic.js";
import type { Scenario } from "../support/scenario.js";
import { createTopic, topicCall } from "../support/topics.js";
import { callError, webhookScenario } from "../support/webhooks.js";

const endpoints = {
  [TargetKind.QUEUE]: "orders",
  [TargetKind.STREAM]: "workers",
  [TargetKind.HTTP]: "http://127.0.0.1:9/hook",
  [TargetKind.FUNCTION]: "grpc://127.0.0.1:9",
} as const;

const subscribeKind = (
  t: Scenario,
  kind: keyof typeof endpoints,
  { topic = "news", filterPolicy }: { topic?: string; filterPolicy?: string } = {},
) => {
  const settings = filterPolicy === undefined ? {} : { filterPolicy };
  return topicCall(t, "subscribe", { topic, kind, endpoint: endpoints[kind], settings });
};

const kinds = [
  ["QUEUE", TargetKind.QUEUE],
  ["STREAM", TargetKind.STREAM],
  ["HTTP", TargetKind.HTTP],
  ["FUNCTION", TargetKind.FUNCTION],
] as const;

for (const [name, kind] of kinds) {
  test(`a standard topic with as many subscriptions as it may have refuses one of kind ${name}, until one ends`, async () => {
    const t = await webhookScenario({
      create: "none",
      config: { subscriptionsStandardMax: 2 },
    });
    await createTopic(t, "news");
    await t.createQueue("orders");
    const stream = (endpoint: string) =>
      topicCall(t, "subscribe", { topic: "news", kind: TargetKind.STREAM, endpoint });
    const { subscription } = await stream("one");
    await stream("two");
    const refused = await callError(subscribeKind(t, kind));
    expect(refused.reason).toBe("SUBSCRIPTION_LIMIT");
    expect(refused.quota).toEqual(["topic:news"]);
    expect(refused.metadata).toEqual(expect.objectContaining({ count: "2", limit: "2" }));
    // What is there is no new one.
    expect(await stream("two")).toMatchObject({ created: false });
    await topicCall(t, "unsubscribe", { subscription: subscription?.subscription ?? "" });
    expect(await subscribeKind(t, kind)).toMatchObject({ created: true });
    await t.restart({ subscriptionsStandardMax: 3 });
    expect(await stream("one")).toMatchObject({ created: true });
    expect((await callError(stream("more"))).metadata["limit"]).toBe("3");
  });
}

test("a FIFO topic has a limit of subscriptions of its own", async () => {
  const t = await webhookScenario({
    create: "none",
    config: { subscriptionsFifoMax: 1, topicsFifoMax: 1, topicsStandardMax: 1 },
  });
  const fifo = (topic: string) => topicCall(t, "createTopic", { topic, type: TopicType.FIFO });
  await fifo("line.fifo");
  await createTopic(t, "news");
  expect((await callError(fifo("more.fifo"))).metadata["limit"]).toBe("1");
  expect((await callError(createTopic(t, "more"))).reason).toBe("TOPIC_LIMIT");
  expect(await subscribeKind(t, TargetKind.STREAM, { topic: "line.fifo" })).toMatchObject({
    created: true,
  });
  await t.createQueue("orders");
  const refused = await callError(subscribeKind(t, TargetKind.QUEUE, { topic: "line.fifo" }));
  expect(refused.reason).toBe("SUBSCRIPTION_LIMIT");
  expect(refused.metadata).toMatchObject({ topic: "line.fifo", count: "1", limit: "1" });
  expect(await subscribeKind(t, TargetKind.STREAM)).toMatchObject({ created: true });
  expect(await subscribeKind(t, TargetKind.QUEUE)).toMatchObject({ created: true });
});

test("the subscriptions of a topic have as many filters as it may have, whenever they get them", async () => {
  const t = await webhookScenario({
    create: "none",
    config: { filtersTopicMax: 1, filtersNamespaceMax: 2, subscriptionsPendingMax: 1 },
  });
  for (const topic of ["news", "other", "third"]) await createTopic(t, topic);
  await t.createQueue("orders");
  const filterPolicy = '{"kind":["a"]}';
  const { subscription } = await subscribeKind(t, TargetKind.STREAM, { filterPolicy });
  const id = subscription?.subscription ?? "";
  const refused = await callError(subscribeKind(t, TargetKind.FUNCTION, { filterPolicy }));
  expect(refused.reason).toBe("FILTER_POLICY_LIMIT");
  expect(refused.quota).toEqual(["topic:news"]);
  expect(refused.metadata).toMatchObject({ topic: "news", count: "1", limit: "1" });
  const plain = await subscribeKind(t, TargetKind.QUEUE);
  const change = (target: string, policy: string) =>
    topicCall(t, "updateSubscription", {
      subscription: target,
      settings: { filterPolicy: policy },
      updateMask: ["filter_policy"],
    });
  const plainId = plain.subscription?.subscription ?? "";
  expect((await callError(change(plainId, filterPolicy))).reason).toBe("FILTER_POLICY_LIMIT");
  // Another topic has its own, up to those of the namespace.
  await subscribeKind(t, TargetKind.STREAM, { topic: "other", filterPolicy });
  const third = await callError(
    subscribeKind(t, TargetKind.STREAM, { topic: "third", filterPolicy }),
  );
  expect(third.quota).toEqual(["namespace:default"]);
  await change(id, '{"kind":["b"]}');
  await change(id, "");
  expect((await change(plainId, filterPolicy)).subscription?.settings?.filterPolicy).toBe(
    filterPolicy,
  );
  await topicCall(t, "unsubscribe", { subscription: plainId });
  await change(id, filterPolicy);
  await subscribeKind(t, TargetKind.HTTP);
  const pending = await callError(subscribeKind(t, TargetKind.HTTP, { topic: "other" }));
  expect(pending.reason).toBe("SUBSCRIPTION_LIMIT");
  expect(pending.quota).toEqual(["namespace:default"]);
});
