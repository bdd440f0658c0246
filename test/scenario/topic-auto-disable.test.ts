// `auto_disable_after`: a target that does nothing but fail for so long is left alone (topic.md 2.1). Both sides of the boundary by the
// moved clock, what counts as a success, and that nothing of the backlog is lost.

import { expect, test } from "vitest";
import {
  DeliveryPolicy,
  SubscriptionState,
  TargetKind,
} from "../../src/gen/forebay/topic/v1/topic.js";
import { durationOf, type Scenario } from "../support/scenario.js";
import { createTopic, publish, subscribe, topicCall } from "../support/topics.js";
import {
  type Answer,
  callError,
  countersOf,
  type Hook,
  hook,
  subscribed,
  until,
  webhookScenario,
} from "../support/webhooks.js";

const hourMs = 3_600_000;

interface Failing {
  readonly t: Scenario;
  readonly target: Hook;
  readonly id: string;
}

/** One attempt for each message, which fails as the answers say. */
async function failing(answers: readonly Answer[], autoDisableAfterMs = hourMs): Promise<Failing> {
  const t = await webhookScenario({ create: "none" });
  await createTopic(t, "news", {});
  const target = await hook(answers);
  const id = await subscribed(t, "news", target, {
    autoDisableAfter: durationOf(autoDisableAfterMs),
    deliveryPolicy: DeliveryPolicy.fromPartial({ retry: { retries: 0 } }),
  });
  return { t, target, id };
}

/** Publishes, and waits until what came of the attempt is known. */
async function attempt({ t, target, id }: Failing): Promise<void> {
  const before = target.notifications.length;
  await publish(t, "news", `message ${before}`);
  await until("it was tried", () => target.notifications.length === before + 1);
  await until("it is settled", async () => (await countersOf(t, id))["inFlight"] === 0);
}

const found = async ({ t, id }: Failing) => {
  const { subscription } = await topicCall(t, "getSubscription", { subscription: id });
  return subscription;
};

const stateOf = async (each: Failing): Promise<SubscriptionState | undefined> =>
  (await found(each))?.state;

const setPaused = ({ t, id }: Failing, paused: boolean) =>
  topicCall(t, "updateSubscription", {
    subscription: id,
    settings: { paused },
    updateMask: ["paused"],
  });

test("a webhook whose attempts fail an hour long is disabled with the reason, keeps its backlog, and goes on when it is resumed", async () => {
  const each = await failing([500, 500, 503, 200]);
  const { t, target, id } = each;
  const firstAt = t.now;
  await attempt(each);
  await t.skip(hourMs - 1);
  await attempt(each);
  expect(await stateOf(each)).toBe(SubscriptionState.CONFIRMED);
  await t.advance(1);
  await attempt(each);
  const disabled = await found(each);
  expect(disabled?.state).toBe(SubscriptionState.DISABLED);
  expect(disabled?.settings?.paused).toBe(true);
  expect(Number(disabled?.disabled?.firstFailureTime?.seconds)).toBe(Math.floor(firstAt / 1_000));
  expect(Number(disabled?.disabled?.disableTime?.seconds)).toBe(Math.floor(t.now / 1_000));
  expect(disabled?.disabled?.lastError).toContain("503");
  const { subscriptions } = await topicCall(t, "listSubscriptions", { topic: "news" });
  expect(subscriptions[0]?.state).toBe(SubscriptionState.DISABLED);
  await publish(t, "news", "kept");
  await t.restart();
  await t.advance(1_000);
  expect(target.notifications).toHaveLength(3);
  expect((await countersOf(t, id))["backlog"]).toBe(1);
  await setPaused(each, false);
  await until("the backlog comes", () => target.notifications.length === 4);
  expect(target.notifications[3]?.envelope["Message"]).toBe("kept");
  const resumed = await found(each);
  expect(resumed?.state).toBe(SubscriptionState.CONFIRMED);
  expect(resumed?.disabled).toBeUndefined();
});

test("a success in between makes the hour begin anew", async () => {
  const each = await failing([500, 200, 500, 500]);
  await attempt(each);
  await each.t.skip(hourMs / 2);
  await attempt(each);
  await each.t.skip(hourMs / 2);
  await attempt(each);
  await each.t.skip(hourMs - 1);
  await attempt(each);
  expect(await stateOf(each)).toBe(SubscriptionState.CONFIRMED);
  await each.t.advance(1);
  await attempt(each);
  expect(await stateOf(each)).toBe(SubscriptionState.DISABLED);
});

test("a target that is resumed has its hour again, and one that fails once is never disabled by waiting", async () => {
  const each = await failing([500]);
  await attempt(each);
  await each.t.skip(10 * hourMs);
  expect(await stateOf(each)).toBe(SubscriptionState.CONFIRMED);
  await attempt(each);
  expect(await stateOf(each)).toBe(SubscriptionState.DISABLED);
  await setPaused(each, false);
  await attempt(each);
  await each.t.skip(hourMs - 1);
  await attempt(each);
  expect(await stateOf(each)).toBe(SubscriptionState.CONFIRMED);
  // Paused by hand it is no longer said to be disabled, and what failed before counts no more.
  await setPaused(each, true);
  expect(await stateOf(each)).toBe(SubscriptionState.PAUSED);
  await each.t.skip(hourMs);
  await setPaused(each, false);
  await attempt(each);
  expect(await stateOf(each)).toBe(SubscriptionState.CONFIRMED);
});

test("by default nothing is disabled, the range is one hour to thirty days, and queues have no such setting", async () => {
  const each = await failing([500], 0);
  const { t, id } = each;
  await attempt(each);
  await t.skip(48 * hourMs);
  await attempt(each);
  expect(await stateOf(each)).toBe(SubscriptionState.CONFIRMED);
  const change = (ms: number) =>
    topicCall(t, "updateSubscription", {
      subscription: id,
      settings: { autoDisableAfter: durationOf(ms) },
      updateMask: ["auto_disable_after"],
    });
  for (const ms of [hourMs - 1, 30 * 24 * hourMs + 1]) {
    expect((await callError(change(ms))).metadata["field"]).toBe("settings.auto_disable_after");
  }
  for (const ms of [30 * 24 * hourMs, hourMs]) {
    const { subscription } = await change(ms);
    expect(subscription?.settings?.autoDisableAfter).toEqual(durationOf(ms));
  }
  await t.createQueue("orders");
  const refused = await callError(
    topicCall(t, "subscribe", {
      topic: "news",
      kind: TargetKind.QUEUE,
      endpoint: "orders",
      settings: { autoDisableAfter: durationOf(hourMs) },
    }),
  );
  expect(refused.metadata["field"]).toBe("settings.auto_disable_after");
});

test("a setting that targets of its kind do not have cannot come with an update either", async () => {
  const t = await webhookScenario();
  await createTopic(t, "news");
  const id = await subscribe(t, "news", t.queue);
  const given = [
    { field: "auto_disable_after", settings: { autoDisableAfter: { seconds: 7_200n, nanos: 0 } } },
    { field: "function", settings: { function: { batchMax: 5 } } },
    { field: "webhook", settings: { webhook: {} } },
    { field: "stream", settings: { stream: { maxInFlight: 5 } } },
  ];
  for (const { field, settings } of given) {
    const request = { subscription: id, settings, updateMask: [field] };
    expect(await callError(topicCall(t, "updateSubscription", request))).toMatchObject({
      code: "INVALID_ARGUMENT",
      reason: "INVALID_PARAMETER",
      violations: [`settings.${field}`],
    });
  }
});
