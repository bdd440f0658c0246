// What every RPC of topics does when it is called well, for the conformance run; the fields that this leaves empty are filled in
// topic-fields.mjs. Some are called as RPCs of queues are, so a session of their own calls them.

import { requirePart } from "./requirements.mjs";
import { fillTopicFields } from "./topic-fields.mjs";

/** Calls every RPC of topics; `name` is free for queues and topics. */
export async function callTopicRpcs(session, name, { createQueue, receive }) {
  const topic = `${name}-topic`;
  const fifo = `${topic}.fifo`;
  await session.ok(
    "CreateTopic",
    {
      topic,
      type: "TOPIC_TYPE_STANDARD",
      settings: { displayName: "News", maximumMessageBytes: 2048 },
      tags: { team: "shop" },
      requestId: `create-${name}`,
    },
    { topic: { topic, type: "TOPIC_TYPE_STANDARD" }, created: true },
  );
  await session.ok("CreateTopic", { topic }, { created: false });
  await session.ok("CreateTopic", { topic: fifo, settings: { contentBasedDeduplication: true } });
  await session.ok("TagTopic", { topic, tags: { stage: "test" } });
  await session.ok("UntagTopic", { topic, tagKeys: ["team"] });
  await session.ok("ListTopicTags", { topic }, { tags: { stage: "test" } });
  const listed = { topics: [{ topic }] };
  await session.ok("ListTopics", { namePrefix: topic, tags: { stage: "test" } }, listed);
  await session.ok(
    "UpdateTopic",
    {
      topic,
      settings: { displayName: "Old news" },
      updateMask: session.fieldMask(["display_name", "maximum_message_bytes"]),
    },
    { topic: { settings: { displayName: "Old news", maximumMessageBytes: 1048576 } } },
  );
  const permission = { topic, label: "billing", principals: ["billing"], actions: ["Subscribe"] };
  await session.ok("AddPermission", permission);
  await session.ok("RemovePermission", { topic, label: "billing" });
  await deliver(session, { topic, queue: name, createQueue, receive });
  await session.ok(
    "TestFilterPolicy",
    { filterPolicy: '{"kind":["weather"]}', attributes: { kind: attribute("sports") } },
    { matched: false, keys: [{ path: "kind", values: ['"sports"'] }] },
  );
  await protect(session, `${name}-protected`);
  await replay(session, `${name}-archived`);
  await consent(session, topic);
  await consume(session, topic);
  await tail(session, `${name}-tailed`);
  await fillTopicFields(session, `${name}-field`, { createQueue, receive });
  await session.refused("GetTopic", { topic: "nowhere" }, "NOT_FOUND", "TOPIC_NOT_FOUND", {
    ResourceInfo: { resourceType: "topic", resourceName: "nowhere" },
  });
  for (const each of [topic, fifo]) {
    await session.ok("DeleteTopic", { topic: each }, { existed: true });
  }
}

const attribute = (stringValue) => ({ dataType: "String", stringValue });

/** Subscribes a queue, publishes to it, and ends the subscription. */
async function deliver(session, { topic, queue, createQueue, receive }) {
  await createQueue(queue);
  const { subscription: made } = await session.ok(
    "Subscribe",
    { topic, kind: "TARGET_KIND_QUEUE", endpoint: queue, settings: { rawMessageDelivery: true } },
    { created: true, subscription: { endpoint: queue, state: "SUBSCRIPTION_STATE_CONFIRMED" } },
  );
  const { subscription } = made;
  const attributes = { kind: attribute("weather") };
  await session.ok(
    "Publish",
    { topic, text: "it rains", attributes, subject: "Today", wantCounts: true },
    { matchedSubscriptions: "1", filteredSubscriptions: "0" },
  );
  await session.ok(
    "PublishBatch",
    { topic, entries: [{ id: "a", data: "AAE=" }, { id: "b" }] },
    { successful: [{ id: "a" }], failed: [{ id: "b", reason: "EMPTY_MESSAGE" }] },
  );
  await receive(queue, [{ text: "it rains" }, { data: "AAE=" }]);
  await session.ok(
    "GetSubscription",
    { subscription },
    { subscription: { topic, counters: { delivered: "2", backlog: "0" } } },
  );
  await session.ok(
    "UpdateSubscription",
    { subscription, settings: { paused: true }, updateMask: session.fieldMask(["paused"]) },
    { subscription: { state: "SUBSCRIPTION_STATE_PAUSED" } },
  );
  const { messageId } = await session.ok("Publish", { topic, text: "unread" });
  const asked = { topic, messageId, pageSize: 10 };
  const waiting = { deliveries: [{ subscription, state: "DELIVERY_STATE_WAITING" }] };
  await session.ok("ExplainDelivery", asked, waiting);
  await session.ok("ListDeliveryAttempts", { subscription, messageId, pageSize: 10 });
  await session.ok("PurgeBacklog", { subscription }, { purged: "1" });
  await session.ok("ListSubscriptions", { topic }, { subscriptions: [{ subscription }] });
  await session.ok("GetTopic", { topic }, { topic: { counters: { published: "3" } } });
  await session.ok("Unsubscribe", { subscription }, { existed: true });
  await session.ok("Unsubscribe", { subscription }, { existed: false });
}

/** Has a card number denied, then masked, then let through. */
async function protect(session, topic) {
  const policy = (operation) =>
    JSON.stringify({
      Name: "cards",
      Version: "2021-06-01",
      Statement: [
        {
          DataDirection: "Inbound",
          Principal: ["*"],
          DataIdentifier: ["CreditCardNumber"],
          Operation: operation,
        },
      ],
    });
  const denying = policy({ Deny: {} });
  await session.ok("CreateTopic", { topic, dataProtectionPolicy: denying }, { created: true });
  await session.ok("GetDataProtectionPolicy", { topic }, { dataProtectionPolicy: denying });
  const publish = { topic, text: "4111 1111 1111 1111" };
  await session.refused("Publish", publish, "PERMISSION_DENIED", "DATA_PROTECTION_DENIED");
  const masking = policy({ Deidentify: { MaskConfig: { MaskWithCharacter: "#" } } });
  await session.ok("PutDataProtectionPolicy", { topic, dataProtectionPolicy: masking });
  await session.ok("Publish", publish);
  await session.ok("PutDataProtectionPolicy", { topic });
  await session.ok("GetDataProtectionPolicy", { topic });
  const broken = { topic, dataProtectionPolicy: "{}" };
  await session.refused("PutDataProtectionPolicy", broken, "INVALID_ARGUMENT", "INVALID_POLICY");
  await session.ok("DeleteTopic", { topic }, { existed: true });
}

/** Archives a topic, and replays it to a stream from its beginning, from a snapshot, and until a message. */
async function replay(session, topic) {
  const settings = { archiveRetention: "86400s" };
  await session.ok("CreateTopic", { topic, settings }, { topic: { settings } });
  await session.ok("Publish", { topic, text: "one" });
  const { subscription: made } = await session.ok(
    "Subscribe",
    { topic, kind: "TARGET_KIND_STREAM", endpoint: "late" },
    { created: true },
  );
  const { subscription } = made;
  const named = { subscription, name: "before-two" };
  await session.ok("CreateSnapshot", { ...named, ttl: "3600s" }, { snapshot: named });
  await session.ok("ListSnapshots", { subscription }, { snapshots: [named] });
  await session.ok("Publish", { topic, text: "two" });
  const speed = { messagesPerSecond: 1 };
  await session.ok(
    "StartReplay",
    { subscription, from: { beginning: {} }, until: { snapshot: "before-two" }, speed },
    // biome-ignore lint/suspicious/noThenProperty: the contract's name, of a message that nobody awaits
    { replay: { subscription, speed, then: "AFTER_REPLAY_RESUME" } },
  );
  await session.ok("GetReplay", { subscription }, { replay: { subscription } });
  const paced = { originalTimes: 0.01 };
  await session.ok(
    "StartReplay",
    // biome-ignore lint/suspicious/noThenProperty: the contract's name, of a message that nobody awaits
    { subscription, from: { sequenceNumber: "1" }, speed: paced, then: "AFTER_REPLAY_PAUSE" },
    // biome-ignore lint/suspicious/noThenProperty: the contract's name, of a message that nobody awaits
    { replay: { speed: paced, then: "AFTER_REPLAY_PAUSE" } },
  );
  await session.ok("ListReplays", { topic }, { replays: [{ subscription }] });
  const stop = { subscription, resumeFrom: "RESUME_FROM_REPLAY_POSITION" };
  await session.ok("StopReplay", stop);
  const early = { subscription, from: { time: "2020-01-01T00:00:00Z" } };
  await session.refused("StartReplay", early, "INVALID_ARGUMENT", "REPLAY_RANGE");
  await session.ok("StartReplay", { ...early, clamp: true, to: subscription }, { replay: {} });
  await session.ok("DeleteSnapshot", named, { existed: true });
  await session.ok("GetTopic", { topic }, { topic: { counters: { archived: "2" } } });
  await session.refused("DeleteTopic", { topic }, "FAILED_PRECONDITION", "ARCHIVE_ACTIVE");
  const updateMask = session.fieldMask(["archive_retention"]);
  const end = { topic, settings: { archiveRetention: "0s" }, updateMask };
  await session.refused("UpdateTopic", end, "FAILED_PRECONDITION", "ARCHIVE_ACTIVE");
  await session.ok("UpdateTopic", { ...end, confirmArchiveDeletion: true }, { topic: {} });
  await session.ok("DeleteTopic", { topic }, { existed: true });
}

/** Subscribes a webhook that nobody listens at, and consents in its place. */
async function consent(session, topic) {
  const { subscription: made } = await session.ok(
    "Subscribe",
    { topic, kind: "TARGET_KIND_HTTP", endpoint: "http://127.0.0.1:9/hook" },
    { created: true, subscription: { state: "SUBSCRIPTION_STATE_PENDING" } },
  );
  const { subscription } = made;
  const { token } = await session.ok("GetPendingToken", { subscription });
  const spoilt = { topic, token: `${token}0` };
  await session.refused("ConfirmSubscription", spoilt, "INVALID_ARGUMENT", "INVALID_TOKEN");
  await session.ok(
    "ConfirmSubscription",
    { topic, token },
    { subscription: { subscription, state: "SUBSCRIPTION_STATE_CONFIRMED" } },
  );
  await session.ok("Unsubscribe", { subscription }, { existed: true });
}

/** Shares the backlog of a stream: takes a message from it and acknowledges it. */
async function consume(session, topic) {
  const { subscription: made } = await session.ok(
    "Subscribe",
    { topic, kind: "TARGET_KIND_STREAM", endpoint: "readers" },
    { created: true },
  );
  const { subscription } = made;
  await session.ok("Publish", { topic, text: "for one reader" });
  const stream = session.open("Consume");
  stream.send({ start: { subscription, credit: 1 } });
  requirePart(await stream.next(), { started: { ackDeadline: "30s" } }, "Consume");
  const item = await stream.next();
  requirePart(item, { message: { notification: { text: "for one reader" } } }, "Consume");
  const handles = [item.message.handle];
  stream.send({ ack: { handles } });
  requirePart(await stream.next(), { result: { handles, isDone: true } }, "Consume");
  requirePart(await stream.end(), { status: "OK" }, "Consume");
  await session.ok("Unsubscribe", { subscription }, { existed: true });
}

/** Looks on while a message is published, until the topic is gone. */
async function tail(session, topic) {
  await session.ok("CreateTopic", { topic }, { created: true });
  const stream = session.open("Tail");
  stream.send({ topic });
  const ended = stream.end();
  requirePart(await stream.next(), { ready: {} }, "Tail");
  const { messageId } = await session.ok("Publish", { topic, text: "for all to see" });
  const shown = { message: { messageId, text: "for all to see" } };
  requirePart(await stream.next(), shown, "Tail");
  await session.ok("DeleteTopic", { topic }, { existed: true });
  const ErrorInfo = { domain: "forebay", reason: "TOPIC_NOT_FOUND" };
  requirePart(await ended, { status: "NOT_FOUND", details: { ErrorInfo } }, "Tail");
}
