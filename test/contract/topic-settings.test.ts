// Every setting that the contract has for topics and subscriptions does something, or is refused by its name: none is accepted and
// ignored, as users of emulators have learnt to fear. The tables are held against the contract's own list of fields.

import { expect, test } from "vitest";
import {
  DeliveryPolicy,
  FifoThroughputScope,
  FilterPolicyScope,
  type RetryPhases,
  SignatureVersion,
  SubscriptionSettings,
  SubscriptionState,
  TargetKind,
  TopicSettings,
  TracingMode,
  WebhookSettings,
} from "../../src/gen/forebay/topic/v1/topic.js";
import { durationOf, type Scenario } from "../support/scenario.js";
import { consumer } from "../support/topic-streams.js";
import { createTopic, envelopeIn, publish, subscribe, topicCall } from "../support/topics.js";
import {
  callError,
  countersOf,
  hook,
  pause,
  subscribed,
  until,
  webhookScenario,
} from "../support/webhooks.js";

/** Shows that a setting has an effect. */
type Effect = (t: Scenario) => Promise<void>;

/** That it is refused by its name, and nothing was done. */
const refused =
  (field: string, settings: Partial<TopicSettings>): Effect =>
  async (t) => {
    const error = await callError(createTopic(t, "refused", settings));
    expect(error).toMatchObject({
      code: "UNIMPLEMENTED",
      reason: "UNSUPPORTED_OPERATION",
      metadata: { field: `settings.${field}` },
    });
    expect((await callError(topicCall(t, "getTopic", { topic: "refused" }))).reason).toBe(
      "TOPIC_NOT_FOUND",
    );
  };

const settingsOf = async (t: Scenario): Promise<TopicSettings | undefined> =>
  (await topicCall(t, "getTopic", { topic: "news" })).topic?.settings;

const retry = (part: Partial<RetryPhases>): DeliveryPolicy =>
  DeliveryPolicy.fromPartial({ retry: part });

/** How often delivery of the only message was tried before it was given up, without waiting. */
async function triesOf(t: Scenario, id: string): Promise<number> {
  await until("it is given up", async () => (await countersOf(t, id))["backlog"] === 0);
  return (await countersOf(t, id))["failedAttempts"] ?? 0;
}

const topicFields: Readonly<Record<keyof TopicSettings, Effect>> = {
  displayName: async (t) => {
    await createTopic(t, "news", { displayName: "The news" });
    expect((await settingsOf(t))?.displayName).toBe("The news");
  },
  maximumMessageBytes: async (t) => {
    await createTopic(t, "news", { maximumMessageBytes: 1_024 });
    await publish(t, "news", "x".repeat(1_024));
    expect((await callError(publish(t, "news", "x".repeat(1_025)))).reason).toBe(
      "MESSAGE_TOO_LONG",
    );
  },
  // Kept, checked and grown by AddPermission; calls are judged by it once callers have names.
  policy: async (t) => {
    expect((await callError(createTopic(t, "news", { policy: "{" }))).reason).toBe(
      "INVALID_POLICY",
    );
    await createTopic(t, "news");
    const granted = { topic: "news", label: "a", principals: ["billing"], actions: ["Publish"] };
    await topicCall(t, "addPermission", granted);
    expect((await settingsOf(t))?.policy).toContain("billing");
  },
  deliveryPolicy: async (t) => {
    await createTopic(t, "news", { deliveryPolicy: retry({ retries: 1, noDelayRetries: 1 }) });
    const id = await subscribed(t, "news", await hook([500]));
    await publish(t, "news", "twice");
    expect(await triesOf(t, id)).toBe(2);
  },
  signatureVersion: async (t) => {
    for (const [version, written] of [
      [SignatureVersion.SHA1, "1"],
      [SignatureVersion.SHA256, "2"],
    ] as const) {
      const topic = `news-${written}`;
      await createTopic(t, topic, { signatureVersion: version });
      const target = await hook();
      await subscribed(t, topic, target);
      await publish(t, topic, "signed");
      await until("it is there", () => target.notifications.length === 1);
      expect(target.notifications[0]?.envelope["SignatureVersion"]).toBe(written);
    }
  },
  encryptionKey: refused("encryption_key", { encryptionKey: "alias/orders" }),
  tracing: async (t) => {
    await refused("tracing", { tracing: TracingMode.ACTIVE })(t);
    await createTopic(t, "news", { tracing: TracingMode.PASS_THROUGH });
    const target = await hook();
    await subscribed(t, "news", target);
    await t.createQueue("traced");
    await subscribe(t, "news", "traced", { isRaw: true });
    const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    const body = { $case: "text" as const, value: "traced" };
    await topicCall(t, "publish", { topic: "news", body }, { metadata: { traceparent } });
    await until("it is there", () => target.notifications.length === 1);
    expect(target.notifications[0]?.headers["traceparent"]).toBe(traceparent);
    const { messages } = await t.call("peekMessages", { queue: "traced" });
    expect(messages[0]?.systemAttributes?.traceHeader).toBe(traceparent);
  },
  deliveryLogging: async (t) => {
    await createTopic(t, "news", {
      deliveryLogging: [{ kind: TargetKind.HTTP, successSamplePercent: 100, logFailures: false }],
    });
    const id = await subscribed(t, "news", await hook([404, 200]));
    for (const text of ["refused", "taken"]) {
      await publish(t, "news", text);
      await until("it is settled", async () => (await countersOf(t, id))["backlog"] === 0);
    }
    const lines = t.logged.filter(({ message }) => message === "delivery");
    expect(lines.map(({ fields }) => fields)).toMatchObject([{ status: "SUCCESS" }]);
  },
  contentBasedDeduplication: async (t) => {
    await createTopic(t, "news.fifo", { contentBasedDeduplication: true });
    await publish(t, "news.fifo", "same", { groupId: "g" });
    expect((await publish(t, "news.fifo", "same", { groupId: "g" })).duplicate).toBe(true);
  },
  fifoThroughputScope: async (t) => {
    await createTopic(t, "news.fifo", {
      contentBasedDeduplication: true,
      fifoThroughputScope: FifoThroughputScope.MESSAGE_GROUP,
    });
    await publish(t, "news.fifo", "same", { groupId: "g" });
    expect((await publish(t, "news.fifo", "same", { groupId: "h" })).duplicate).toBe(false);
  },
  archiveRetention: async (t) => {
    await createTopic(t, "news", { archiveRetention: durationOf(86_400_000) });
    await publish(t, "news", "kept");
    const { topic } = await topicCall(t, "getTopic", { topic: "news" });
    expect(topic?.counters?.archived).toBe(1n);
  },
};

const rawWith = (t: Scenario, settings: Partial<SubscriptionSettings>) =>
  topicCall(t, "subscribe", {
    topic: "news",
    kind: TargetKind.QUEUE,
    endpoint: "q",
    settings: { rawMessageDelivery: true, ...settings },
  });

async function newsAndQueue(t: Scenario): Promise<void> {
  await createTopic(t, "news");
  await t.createQueue("q");
}

const bodies = async (t: Scenario, queue = "q"): Promise<string[]> =>
  (await t.receive({ queue, max: 10 })).map(({ body }) => body);

const subscriptionFields: Readonly<Record<keyof SubscriptionSettings, Effect>> = {
  rawMessageDelivery: async (t) => {
    await newsAndQueue(t);
    await t.createQueue("wrapped");
    await rawWith(t, {});
    const id = await subscribe(t, "news", "wrapped");
    await publish(t, "news", "both");
    // Envelopes are signed first.
    await until("it is handed on", async () => (await countersOf(t, id))["delivered"] === 1);
    expect(await bodies(t)).toEqual(["both"]);
    const [message] = await t.receive({ queue: "wrapped" });
    expect(envelopeIn({ body: message?.body ?? "" })["Message"]).toBe("both");
  },
  filterPolicy: async (t) => {
    await newsAndQueue(t);
    await rawWith(t, { filterPolicy: '{"a":["x"]}' });
    await publish(t, "news", "yes", { attributes: { a: "x" } });
    await publish(t, "news", "no");
    expect(await bodies(t)).toEqual(["yes"]);
  },
  filterPolicyScope: async (t) => {
    await newsAndQueue(t);
    await rawWith(t, {
      filterPolicy: '{"a":["x"]}',
      filterPolicyScope: FilterPolicyScope.MESSAGE_BODY,
    });
    await publish(t, "news", "no", { attributes: { a: "x" } });
    await publish(t, "news", '{"a":"x"}');
    expect(await bodies(t)).toEqual(['{"a":"x"}']);
  },
  deliveryPolicy: async (t) => {
    await createTopic(t, "news");
    const id = await subscribed(t, "news", await hook([500]), {
      deliveryPolicy: retry({ retries: 0 }),
    });
    await publish(t, "news", "once");
    expect(await triesOf(t, id)).toBe(1);
  },
  deadLetterQueue: async (t) => {
    await newsAndQueue(t);
    await t.createQueue("dead");
    await rawWith(t, { deadLetterQueue: "dead" });
    const attributes = Object.fromEntries(Array.from({ length: 11 }, (_, at) => [`a${at}`, "x"]));
    await publish(t, "news", "too many", { attributes });
    expect(await bodies(t, "dead")).toEqual(["too many"]);
  },
  paused: async (t) => {
    await newsAndQueue(t);
    await rawWith(t, { paused: true });
    await publish(t, "news", "waits");
    expect(await bodies(t)).toEqual([]);
  },
  stream: async (t) => {
    await createTopic(t, "news");
    const { subscription } = await topicCall(t, "subscribe", {
      topic: "news",
      kind: TargetKind.STREAM,
      endpoint: "workers",
      settings: { stream: { ackDeadline: durationOf(10_000), maxInFlight: 1 } },
    });
    const worker = await consumer(t, subscription?.subscription ?? "", 10);
    for (const text of ["one", "two"]) await publish(t, "news", text);
    await worker.until(() => worker.bodies.length === 1);
    await pause(100);
    // One at a time; when its deadline has passed it comes again.
    expect(worker.bodies).toEqual(["one"]);
    await t.advance(10_000);
    await worker.until(() => worker.bodies.length > 1);
  },
  function: async (t) => {
    await createTopic(t, "news");
    const subscribeFunction = (batchMax: number) =>
      topicCall(t, "subscribe", {
        topic: "news",
        kind: TargetKind.FUNCTION,
        endpoint: "grpc://127.0.0.1:1",
        settings: { function: { batchMax } },
      });
    // What each of them does is told in the scenarios of functions.
    expect((await callError(subscribeFunction(101))).violations).toEqual([
      "settings.function.batch_max",
    ]);
    const { subscription } = await subscribeFunction(100);
    expect(subscription?.settings?.function?.batchMax).toBe(100);
  },
  webhook: async (t) => {
    await createTopic(t, "news");
    const target = await hook();
    const webhook = WebhookSettings.fromPartial({ attributeHeaders: true });
    await subscribed(t, "news", target, { rawMessageDelivery: true, webhook });
    await publish(t, "news", "raw", { attributes: { colour: "red" } });
    await until("it is there", () => target.notifications.length === 1);
    expect(target.notifications[0]?.headers["x-forebay-attr-colour"]).toBe("red");
  },
  ttlToDlq: async (t) => {
    await newsAndQueue(t);
    await t.createQueue("dead");
    const { subscription } = await rawWith(t, {
      deadLetterQueue: "dead",
      ttlToDlq: true,
      paused: true,
    });
    await publish(t, "news", "late", { ttl: durationOf(1_000) });
    await t.advance(1_001);
    const id = subscription?.subscription ?? "";
    await topicCall(t, "updateSubscription", { subscription: id, updateMask: ["paused"] });
    await t.settle();
    expect(await bodies(t, "dead")).toEqual(["late"]);
  },
  autoDisableAfter: async (t) => {
    await newsAndQueue(t);
    const error = await callError(rawWith(t, { autoDisableAfter: durationOf(3_600_000) }));
    expect(error).toMatchObject({
      reason: "INVALID_PARAMETER",
      metadata: { field: "settings.auto_disable_after" },
    });
    const target = await hook([503]);
    const id = await subscribed(t, "news", target, { autoDisableAfter: durationOf(3_600_000) });
    for (const at of [1, 2]) {
      await publish(t, "news", "x");
      await until("it failed", () => target.notifications.length >= at);
      await t.skip(3_600_000);
    }
    await until("it is disabled", async () => {
      const { subscription } = await topicCall(t, "getSubscription", { subscription: id });
      await t.advance(1_000);
      return subscription?.state === SubscriptionState.DISABLED;
    });
  },
};

const tables = [
  ["TopicSettings", topicFields, TopicSettings.fromPartial({})],
  ["SubscriptionSettings", subscriptionFields, SubscriptionSettings.fromPartial({})],
] as const;

for (const [message, table, empty] of tables) {
  test(`every field of ${message} is in the table`, () => {
    expect(Object.keys(table).sort()).toEqual(Object.keys(empty).sort());
  });
  for (const [field, effect] of Object.entries(table)) {
    test(`${message}.${field} has an effect or is refused`, async () => {
      await effect(await webhookScenario({ create: "none" }));
    });
  }
}

test("a setting with one value can be set to it, alone and with others, and that changes nothing else", async () => {
  const t = await webhookScenario({ create: "none" });
  await newsAndQueue(t);
  const { topic } = await topicCall(t, "updateTopic", {
    topic: "news",
    settings: { tracing: TracingMode.PASS_THROUGH, displayName: "new" },
    updateMask: ["tracing", "encryption_key", "display_name"],
  });
  expect(topic?.settings).toMatchObject({ tracing: TracingMode.PASS_THROUGH, displayName: "new" });
  const id = await subscribe(t, "news", "q");
  const updated = await topicCall(t, "updateSubscription", {
    subscription: id,
    updateMask: ["auto_disable_after"],
  });
  expect(updated.subscription?.state).toBe(SubscriptionState.CONFIRMED);
  const error = await callError(
    topicCall(t, "updateTopic", {
      topic: "news",
      settings: { tracing: TracingMode.ACTIVE },
      updateMask: ["tracing"],
    }),
  );
  expect(error.metadata["field"]).toBe("settings.tracing");
});
