// ExplainDelivery: one message and every subscription of its topic, in each of the states it can have there.

import { expect, test } from "vitest";
import { TargetKind } from "../../src/gen/forebay/topic/v1/topic.js";
import { DeliveryState } from "../../src/gen/forebay/topic/v1/topic_service.js";
import { scenario } from "../support/scenario.js";
import { consumer } from "../support/topic-streams.js";
import { createTopic, publish, subscribe, topicCall } from "../support/topics.js";
import {
  callError,
  countersOf,
  hook,
  subscribed,
  subscribeHook,
  until,
  webhookScenario,
} from "../support/webhooks.js";

type Owner = Parameters<typeof topicCall>[0];

async function explained(t: Owner, topic: string, messageId: string) {
  const { deliveries } = await topicCall(t, "explainDelivery", { topic, messageId });
  return new Map(deliveries.map((delivery) => [delivery.subscription, delivery]));
}

test("every subscription says what became of a message: queues, webhooks, filters, pauses", async () => {
  const t = await webhookScenario();
  await createTopic(t, "news");
  await t.createQueue("dead");
  await t.createQueue("later");
  const queue = await subscribe(t, "news", t.queue);
  const paused = await subscribe(t, "news", "later", { isPaused: true });
  const [ok, failing, refusing, silent, picky] = await Promise.all([
    hook(),
    hook([500]),
    hook([404]),
    hook(["silence"]),
    hook(),
  ]);
  const delivered = await subscribed(t, "news", ok);
  const retried = await subscribed(t, "news", failing);
  const dead = await subscribed(t, "news", refusing, { deadLetterQueue: "dead" });
  const inFlight = await subscribed(t, "news", silent);
  const filtered = await subscribed(t, "news", picky, { filterPolicy: '{"colour":["red"]}' });
  const asked = await subscribeHook(t, "news", (await hook()).url);
  const attributes = { colour: "blue" };
  const { messageId } = await publish(t, "news", "what became of me", { attributes });
  await until("it is tried everywhere", async () => {
    const [one, two, three] = await Promise.all(
      [delivered, retried, dead].map((id) => countersOf(t, id)),
    );
    const isDead = three?.["deadLettered"] === 1;
    return one?.["delivered"] === 1 && two?.["failedAttempts"] === 1 && isDead;
  });
  await until("one is being delivered", () => silent.notifications.length === 1);
  const later = await subscribe(t, "news", "dead");

  const found = await explained(t, "news", messageId);
  expect(found.get(queue)).toMatchObject({ state: DeliveryState.DELIVERED, attempts: 1 });
  expect(found.get(paused)).toMatchObject({ state: DeliveryState.WAITING, attempts: 0 });
  expect(found.get(delivered)).toMatchObject({ state: DeliveryState.DELIVERED, attempts: 1 });
  expect(found.get(dead)).toMatchObject({ state: DeliveryState.DEAD_LETTERED, attempts: 1 });
  expect(found.get(dead)?.lastError).toContain("404");
  expect(found.get(inFlight)).toMatchObject({ state: DeliveryState.IN_FLIGHT, attempts: 1 });
  expect(found.get(inFlight)?.nextAttemptTime).toBeUndefined();
  expect(found.get(filtered)).toMatchObject({ state: DeliveryState.FILTERED, attempts: 0 });
  expect(found.get(filtered)?.lastError).toBe('colour: no value fulfils "red"');
  expect(found.get(asked)?.state).toBe(DeliveryState.NOT_SUBSCRIBED);
  expect(found.get(later)?.state).toBe(DeliveryState.NOT_SUBSCRIBED);
  const waiting = found.get(retried);
  expect(waiting).toMatchObject({ state: DeliveryState.WAITING, attempts: 1 });
  expect(waiting?.lastError).toContain("500");
  const { attempts } = await topicCall(t, "listDeliveryAttempts", { subscription: retried });
  expect(waiting?.nextAttemptTime).toEqual(attempts[0]?.nextAttemptTime);
  expect(waiting?.nextAttemptTime).toBeDefined();
});

test("a message that the topic does not keep any more is told of where it waits or failed, also after a restart", async () => {
  const t = await webhookScenario({ create: "none" });
  await createTopic(t, "news");
  const [ok, failing, refusing] = await Promise.all([hook(), hook([500, 200]), hook([404])]);
  const delivered = await subscribed(t, "news", ok);
  const retried = await subscribed(t, "news", failing);
  const lost = await subscribed(t, "news", refusing);
  const { messageId } = await publish(t, "news", "gone soon");
  await until("it is tried everywhere", async () => {
    const counted = await Promise.all([delivered, retried, lost].map((id) => countersOf(t, id)));
    return (
      counted[0]?.["delivered"] === 1 &&
      counted[1]?.["failedAttempts"] === 1 &&
      counted[2]?.["undeliverable"] === 1
    );
  });
  await t.settle();
  await t.restart();
  const found = await explained(t, "news", messageId);
  expect(found.get(retried)).toMatchObject({ state: DeliveryState.WAITING, attempts: 1 });
  expect(found.get(lost)).toMatchObject({ state: DeliveryState.UNDELIVERABLE, attempts: 1 });
  await t.advance(20_000);
  await until("it is delivered", async () => (await countersOf(t, retried))["delivered"] === 1);
  const after = await explained(t, "news", messageId);
  expect(after.get(retried)).toMatchObject({ state: DeliveryState.DELIVERED, attempts: 2 });
});

test("a message whose time ended in a paused subscription is told as expired", async () => {
  const t = await scenario();
  await createTopic(t, "news");
  const id = await subscribe(t, "news", t.queue, { isPaused: true });
  const ttl = { seconds: 10n, nanos: 0 };
  const { messageId } = await publish(t, "news", "short", { ttl });
  await t.advance(11_000);
  const settings = { paused: false };
  await topicCall(t, "updateSubscription", { subscription: id, settings, updateMask: ["paused"] });
  await t.advance(1_000);
  expect((await explained(t, "news", messageId)).get(id)?.state).toBe(DeliveryState.EXPIRED);
});

test("of a message that nobody knows nothing is told", async () => {
  const t = await scenario();
  await createTopic(t, "news");
  await subscribe(t, "news", t.queue);
  const { messageId } = await publish(t, "news", "delivered and gone");
  for (const id of [messageId, "01b8dac5-b400-7000-a29f-57a38194cbbc"]) {
    const error = await callError(
      topicCall(t, "explainDelivery", { topic: "news", messageId: id }),
    );
    expect(error.reason).toBe("MESSAGE_NOT_FOUND");
  }
  const missing = await callError(topicCall(t, "explainDelivery", { topic: "news" }));
  expect(missing.reason).toBe("MISSING_PARAMETER");
});

test("a message of a stream waits, is with a consumer, and is delivered when one has taken it", async () => {
  const t = await scenario({ create: "none" });
  await createTopic(t, "news");
  const { subscription } = await topicCall(t, "subscribe", {
    topic: "news",
    kind: TargetKind.STREAM,
    endpoint: "workers",
  });
  const id = subscription?.subscription ?? "";
  const { messageId: other } = await publish(t, "news", "before");
  const { messageId } = await publish(t, "news", "one");
  await t.settle();
  const state = async () => (await explained(t, "news", messageId)).get(id);
  expect(await state()).toMatchObject({ state: DeliveryState.WAITING, attempts: 0 });
  const stream = await consumer(t, id);
  await stream.take(2);
  expect(await state()).toMatchObject({ state: DeliveryState.IN_FLIGHT, attempts: 1 });
  stream.say({ $case: "ack", value: { handles: [stream.handle(1)] } });
  await stream.until(() => stream.results.length > 0);
  // The topic has forgotten it, and nobody else has it.
  expect((await callError(state())).reason).toBe("MESSAGE_NOT_FOUND");
  expect((await explained(t, "news", other)).get(id)?.state).toBe(DeliveryState.IN_FLIGHT);
});

test("what a replay will give again waits, whatever became of it before", async () => {
  const t = await scenario();
  const archiveRetention = { seconds: 86_400n, nanos: 0 };
  await createTopic(t, "news", { archiveRetention });
  const id = await subscribe(t, "news", t.queue);
  for (const body of ["first", "second"]) await publish(t, "news", body);
  const { messageId } = await publish(t, "news", "again");
  await t.settle();
  const state = async () => (await explained(t, "news", messageId)).get(id)?.state;
  expect(await state()).toBe(DeliveryState.DELIVERED);
  await topicCall(t, "startReplay", {
    subscription: id,
    from: { point: { $case: "beginning", value: {} } },
    until: { point: { $case: "latest", value: {} } },
    speed: { speed: { $case: "messagesPerSecond", value: 1 } },
  });
  await t.settle();
  expect(await state()).toBe(DeliveryState.WAITING);
  for (let second = 0; second < 3; second += 1) await t.advance(1_000);
  expect(await state()).toBe(DeliveryState.DELIVERED);
});

test("deliveries come in pages, each subscription once", async () => {
  const t = await scenario({ create: "none" });
  await createTopic(t, "news");
  const ids: string[] = [];
  for (let index = 0; index < 5; index += 1) {
    await t.createQueue(`q${index}`);
    ids.push(await subscribe(t, "news", `q${index}`, { isPaused: true }));
  }
  const { messageId } = await publish(t, "news", "paged");
  const found: string[] = [];
  let pageToken = "";
  do {
    const request = { topic: "news", messageId, pageSize: 2, pageToken };
    const page = await topicCall(t, "explainDelivery", request);
    found.push(...page.deliveries.map(({ subscription }) => subscription));
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  expect(found).toEqual(ids);
  const wrong = await callError(
    topicCall(t, "explainDelivery", { topic: "news", messageId, pageToken: "bm9wZQ" }),
  );
  expect(wrong.reason).toBe("INVALID_PAGE_TOKEN");
});
