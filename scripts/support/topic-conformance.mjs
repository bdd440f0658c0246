// What every RPC of topics does when it is called well, for the conformance run: those this release has, and of the others that
// they say so. Some are called as RPCs of queues are, so a session of their own calls them.

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
  await sayWhatIsNotThere(session, topic);
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
  await session.ok("Publish", { topic, text: "unread" });
  await session.ok("PurgeBacklog", { subscription }, { purged: "1" });
  await session.ok("ListSubscriptions", { topic }, { subscriptions: [{ subscription }] });
  await session.ok("GetTopic", { topic }, { topic: { counters: { published: "3" } } });
  await session.ok("Unsubscribe", { subscription }, { existed: true });
  await session.ok("Unsubscribe", { subscription }, { existed: false });
}

/** A later release takes them out of this list and tries them. */
const notYet = [
  "ConfirmSubscription",
  "GetPendingToken",
  "PutDataProtectionPolicy",
  "GetDataProtectionPolicy",
  "Tail",
  "Consume",
  "StartReplay",
  "StopReplay",
  "GetReplay",
  "ListReplays",
  "CreateSnapshot",
  "DeleteSnapshot",
  "ListSnapshots",
  "ListUndeliverable",
  "RedriveUndeliverable",
  "ListDeliveryAttempts",
  "ExplainDelivery",
];

async function sayWhatIsNotThere(session, topic) {
  for (const method of notYet) {
    await session.refused(method, {}, "UNIMPLEMENTED", "UNSUPPORTED_OPERATION");
  }
  await session.refused(
    "Subscribe",
    { topic, kind: "TARGET_KIND_HTTPS", endpoint: "https://example.com" },
    "UNIMPLEMENTED",
    "UNSUPPORTED_OPERATION",
  );
}
