// The fields of topics that no ordinary call fills: every setting, every way to say how fresh a read is, pages, and what makes a call
// be done once. What is tried of them is that they come back, or have their effect.

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { requirePart } from "./requirements.mjs";

/** Tries them; `name` is free for queues and topics. */
export async function fillTopicFields(session, name, { createQueue, receive }) {
  await setTopic(session, `${name}-set`);
  await setTopic(session, `${name}-set.fifo`);
  await setWebhook(session, `${name}-webhook`);
  await setFunction(session, `${name}-function`);
  await publishWhole(session, `${name}-whole`);
  await publishOnce(session, `${name}-once.fifo`);
  await failToDeliver(session, `${name}-failed`, { createQueue, receive });
  await settle(session, `${name}-settled`);
  await tailAgain(session, `${name}-shown`);
  await replayOnce(session, `${name}-kept`);
  await readPages(session, `${name}-read`);
}

async function setTopic(session, topic) {
  const retry = {
    minDelay: "2s",
    maxDelay: "9s",
    retries: 6,
    noDelayRetries: 1,
    minDelayRetries: 1,
    maxDelayRetries: 1,
    backoff: "BACKOFF_FUNCTION_EXPONENTIAL",
  };
  const statement = {
    Effect: "Allow",
    Principal: { Forebay: ["billing"] },
    Action: "topic:Publish",
    Resource: `topic/${topic}`,
  };
  const settings = {
    policy: JSON.stringify({ Version: "2012-10-17", Statement: [statement] }),
    deliveryPolicy: {
      retry,
      maxReceivesPerSecond: 5,
      headerContentType: "application/json",
      disableSubscriptionOverrides: true,
    },
    signatureVersion: "SIGNATURE_VERSION_SHA1",
    tracing: "TRACING_MODE_PASS_THROUGH",
    deliveryLogging: [{ kind: "TARGET_KIND_HTTPS", successSamplePercent: 10, logFailures: false }],
    ...(topic.endsWith(".fifo") && {
      fifoThroughputScope: "FIFO_THROUGHPUT_SCOPE_MESSAGE_GROUP",
    }),
  };
  // False is what JSON leaves out.
  const { deliveryLogging, ...shown } = settings;
  const { topic: made } = await session.ok(
    "CreateTopic",
    { topic, settings },
    { topic: { settings: shown, effectiveDeliveryPolicy: { retry } } },
  );
  requirePart(made.settings.deliveryLogging, [{ successSamplePercent: 10 }], "CreateTopic");
  for (const later of [{ encryptionKey: "k" }, { tracing: "TRACING_MODE_ACTIVE" }]) {
    const request = { topic: `later-${topic}`, settings: later };
    await session.refused("CreateTopic", request, "UNIMPLEMENTED", "UNSUPPORTED_OPERATION");
  }
  const updateMask = session.fieldMask(["display_name"]);
  const update = { topic, settings: { displayName: "x" }, updateMask, etag: made.etag };
  await session.ok("UpdateTopic", update, { topic: { settings: { displayName: "x" } } });
  await session.refused("UpdateTopic", update, "ABORTED", "ETAG_MISMATCH");
  const permission = {
    topic,
    label: "others",
    principals: ["others"],
    actions: ["Publish"],
    requestId: `allow-${topic}`,
  };
  await session.ok("AddPermission", permission);
  await session.ok("AddPermission", permission, { replayed: true });
  const gone = { topic, etag: made.etag };
  await session.refused("DeleteTopic", gone, "ABORTED", "ETAG_MISMATCH");
  await session.ok("DeleteTopic", { topic, force: true, drain: true }, { existed: true });
}

/** A certificate that vouches for itself, with its key. */
function certificate() {
  const folder = mkdtempSync(join(tmpdir(), "forebay-conformance-"));
  const [key, made] = ["key.pem", "certificate.pem"].map((name) => join(folder, name));
  try {
    execFileSync(
      "openssl",
      [
        ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"],
        ...["-days", "2", "-subj", "/CN=localhost", "-keyout", key, "-out", made],
      ],
      { stdio: "pipe" },
    );
    return { certificate: readFileSync(made, "utf8"), key: readFileSync(key, "utf8") };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function tls() {
  const { certificate: made, key } = certificate();
  return { caCertificates: made, clientCertificate: made, clientKey: key };
}

async function setWebhook(session, topic) {
  await session.ok("CreateTopic", { topic });
  const hmacSecret = Buffer.from("a secret of 24 bytes or more").toString("base64");
  const { clientKey, ...shown } = tls();
  const settings = {
    ttlToDlq: true,
    autoDisableAfter: "3600s",
    filterPolicy: '{"kind":["weather"]}',
    filterPolicyScope: "FILTER_POLICY_SCOPE_MESSAGE_BODY",
    deliveryPolicy: { retry: { retries: 2 } },
  };
  const request = {
    topic,
    kind: "TARGET_KIND_HTTPS",
    endpoint: "https://127.0.0.1:9/hook",
    settings: {
      ...settings,
      webhook: { hmacSecret, attributeHeaders: true, ...shown, clientKey },
    },
    requestId: `subscribe-${topic}`,
  };
  const whole = { settings: { ...settings, webhook: { hmacSecret, ...shown } } };
  const { subscription: made } = await session.ok("Subscribe", request, { subscription: whole });
  if ("clientKey" in made.settings.webhook) throw new Error("A client's key was told.");
  await session.ok("Subscribe", request, { replayed: true });
  const { subscription, etag } = made;
  const { token } = await session.ok("GetPendingToken", { subscription, consistency: anyNode });
  await session.ok(
    "ConfirmSubscription",
    { topic, token, authenticateOnUnsubscribe: true },
    { subscription: { confirmationWasAuthenticated: true } },
  );
  const updateMask = session.fieldMask(["paused"]);
  const late = { subscription, settings: { paused: true }, updateMask, etag };
  await session.refused("UpdateSubscription", late, "ABORTED", "ETAG_MISMATCH");
  await session.ok("DeleteTopic", { topic }, { existed: true });
}

async function setFunction(session, topic) {
  await session.ok("CreateTopic", { topic });
  const { clientKey, ...shown } = tls();
  const settings = { batchMax: 3, timeout: "5s", maxConcurrency: 2, lambdaEvent: true, ...shown };
  const { subscription: made } = await session.ok(
    "Subscribe",
    {
      topic,
      kind: "TARGET_KIND_FUNCTION",
      endpoint: "grpcs://127.0.0.1:9",
      settings: { function: { ...settings, bearerToken: "a token", clientKey } },
    },
    { subscription: { settings: { function: settings } } },
  );
  if ("bearerToken" in made.settings.function) throw new Error("A token was told.");
  await session.ok("DeleteTopic", { topic }, { existed: true });
}

const anyNode = { mode: "READ_MODE_ANY" };

/** Publishes with everything that a message can have, alone and in a batch, and takes it from a stream. */
async function publishWhole(session, topic) {
  await session.ok("CreateTopic", { topic });
  const { subscription: made } = await session.ok("Subscribe", {
    topic,
    kind: "TARGET_KIND_STREAM",
    endpoint: "readers",
  });
  const { subscription } = made;
  const attributes = { bytes: { dataType: "Binary", binaryValue: "AAE=" } };
  const shared = { attributes, subject: "Today", groupId: "g", delay: "0s", ttl: "3600s" };
  const structure = { messageStructure: "MESSAGE_STRUCTURE_JSON" };
  const text = JSON.stringify({ default: "no", stream: "yes" });
  await session.ok("Publish", { topic, text, ...structure, ...shared });
  const data = { data: "AAE=", contentType: "image/png" };
  await session.ok("Publish", { topic, ...data });
  const entries = [
    { id: "a", text, ...structure, ...shared },
    { id: "b", ...data },
  ];
  const batch = { topic, entries, requestId: `batch-${topic}`, allOrNothing: true };
  await session.ok("PublishBatch", batch, { successful: [{ id: "a" }, { id: "b" }] });
  await session.ok("PublishBatch", batch, { replayed: true });
  const broken = { ...batch, entries: [{ id: "c" }], requestId: "" };
  await session.refused("PublishBatch", broken, "INVALID_ARGUMENT", "BATCH_REJECTED");
  const stream = session.open("Consume");
  stream.send({ start: { subscription, credit: 4 } });
  requirePart(await stream.next(), { started: {} }, "Consume");
  const told = { subject: "Today", text: "yes", groupId: "g", attributes };
  for (const notification of [told, data, told, data]) {
    requirePart(await stream.next(), { message: { notification } }, "Consume");
  }
  await stream.end();
  const purge = { subscription, beforeTime: "2020-01-01T00:00:00Z", requestId: `purge-${topic}` };
  await session.ok("PurgeBacklog", purge);
  await session.ok("PurgeBacklog", purge, { replayed: true });
  await session.ok("DeleteTopic", { topic }, { existed: true });
}

async function publishOnce(session, topic) {
  await session.ok("CreateTopic", { topic });
  const message = { text: "one", groupId: "g", dedupId: "d" };
  const published = { topic, ...message, requestId: `publish-${topic}` };
  const { messageId } = await session.ok("Publish", published);
  await session.ok("Publish", published, { messageId, replayed: true });
  const entries = [{ id: "a", ...message }];
  await session.ok(
    "PublishBatch",
    { topic, entries },
    { successful: [{ id: "a", messageId, duplicate: true }] },
  );
  await session.ok("DeleteTopic", { topic }, { existed: true });
}

/** What a queue does not take is a dead letter that says why, or undeliverable where there is no queue for dead letters. */
async function failToDeliver(session, topic, { createQueue, receive }) {
  const [small, dead] = [`${topic}-small`, `${topic}-dead`];
  await createQueue(small, { maximumMessageBytes: 1024 });
  await createQueue(dead);
  await session.ok("CreateTopic", { topic });
  const settings = { deadLetterQueue: dead, rawMessageDelivery: true };
  const { subscription: made } = await session.ok(
    "Subscribe",
    { topic, kind: "TARGET_KIND_QUEUE", endpoint: small, settings },
    { subscription: { settings: { deadLetterQueue: dead } } },
  );
  const { subscription } = made;
  const text = "x".repeat(2000);
  await session.ok("Publish", { topic, text });
  const deliveryFailure = { topic, subscription, reason: "MESSAGE_TOO_LONG", attempts: 1 };
  await receive(dead, [{ text, systemAttributes: { deliveryFailure } }], {
    systemAttributeNames: ["MESSAGE_SYSTEM_ATTRIBUTE_NAME_DELIVERY_FAILURE"],
  });
  const updateMask = session.fieldMask(["dead_letter_queue"]);
  await session.ok("UpdateSubscription", { subscription, updateMask });
  for (const each of ["a", "b"]) await session.ok("Publish", { topic, text: each + text });
  const page = { subscription, pageSize: 1, consistency: anyNode };
  const first = await session.ok("ListUndeliverable", page, {
    messages: [
      {
        notification: { topic, text: `a${text}` },
        reason: "UNDELIVERABLE_REASON_PERMANENT_FAILURE",
        attempts: 1,
      },
    ],
  });
  const { nextPageToken: pageToken } = first;
  await session.ok(
    "ListUndeliverable",
    { ...page, pageToken },
    { messages: [{ notification: { text: `b${text}` } }] },
  );
  const redrive = {
    subscription,
    ids: [first.messages[0].id],
    maxPerSecond: 500,
    requestId: `redrive-${topic}`,
  };
  await session.ok("RedriveUndeliverable", redrive, { redriven: "1" });
  await session.ok("RedriveUndeliverable", redrive, { redriven: "1", replayed: true });
  const attempts = { subscription, pageSize: 1, consistency: anyNode };
  const { nextPageToken } = await session.ok("ListDeliveryAttempts", attempts, {
    attempts: [{ subscription }],
  });
  await session.ok("ListDeliveryAttempts", { ...attempts, pageToken: nextPageToken });
  await session.ok("DeleteTopic", { topic }, { existed: true });
}

/** Everything a consumer can say of a message. */
async function settle(session, topic) {
  await session.ok("CreateTopic", { topic });
  const stream = { ackDeadline: "60s", maxInFlight: 5 };
  const { subscription: made } = await session.ok(
    "Subscribe",
    { topic, kind: "TARGET_KIND_STREAM", endpoint: "readers", settings: { stream } },
    { subscription: { settings: { stream } } },
  );
  const { subscription } = made;
  for (const text of ["first", "second"]) await session.ok("Publish", { topic, text });
  const consumed = session.open("Consume");
  consumed.send({ start: { subscription, credit: 1 } });
  requirePart(await consumed.next(), { started: { ackDeadline: "60s" } }, "Consume");
  const first = await consumed.next();
  const handles = [first.message.handle];
  for (const command of [
    { extend: { handles, ackDeadline: "90s" } },
    { reject: { handles, reason: "no total" } },
  ]) {
    consumed.send(command);
    requirePart(await consumed.next(), { result: { handles, isDone: true } }, "Consume");
  }
  consumed.send({ credit: { messages: 1 } });
  const second = await consumed.next();
  requirePart(second, { message: { notification: { text: "second" } } }, "Consume");
  const nack = { handles: [second.message.handle], delay: "600s" };
  consumed.send({ nack });
  const done = { result: { handles: nack.handles, isDone: true } };
  requirePart(await consumed.next(), done, "Consume");
  requirePart(await consumed.end(), { status: "OK" }, "Consume");
  const reason = "UNDELIVERABLE_REASON_REJECTED";
  await session.ok("ListUndeliverable", { subscription }, { messages: [{ reason }] });
  await session.ok("DeleteTopic", { topic }, { existed: true });
}

/** Looks on from where another tail was, by a filter. */
async function tailAgain(session, topic) {
  await session.ok("CreateTopic", { topic });
  const attributes = { kind: { dataType: "String", stringValue: "weather" } };
  const stream = session.open("Tail");
  stream.send({
    topic,
    filterPolicy: '{"kind":["weather"]}',
    filterPolicyScope: "FILTER_POLICY_SCOPE_MESSAGE_ATTRIBUTES",
    resumeAfterSequence: "0",
    topicEpoch: "another",
    bufferMaxMessages: 10,
    bufferMaxBytes: 65536,
    slowPolicy: "SLOW_POLICY_DROP_NEWEST",
    heartbeat: "5s",
  });
  const ended = stream.end();
  requirePart(await stream.next(), { ready: {} }, "Tail");
  const cause = "DISCONTINUITY_CAUSE_TOPIC_RECREATED";
  requirePart(await stream.next(), { discontinuity: { cause } }, "Tail");
  await session.ok("Publish", { topic, text: "no weather" });
  await session.ok("Publish", { topic, text: "it rains", attributes });
  requirePart(await stream.next(), { message: { text: "it rains" } }, "Tail");
  await session.ok("DeleteTopic", { topic }, { existed: true });
  requirePart(await ended, { status: "NOT_FOUND" }, "Tail");
}

async function replayOnce(session, topic) {
  await session.ok("CreateTopic", { topic, settings: { archiveRetention: "86400s" } });
  const { subscription: made } = await session.ok("Subscribe", {
    topic,
    kind: "TARGET_KIND_STREAM",
    endpoint: "late",
  });
  const { subscription } = made;
  const snapshot = { subscription, name: "here", requestId: `snapshot-${topic}` };
  await session.ok("CreateSnapshot", snapshot);
  await session.ok("CreateSnapshot", snapshot, { replayed: true });
  await session.ok("CreateSnapshot", { subscription, name: "there" });
  const listed = { subscription, pageSize: 1, consistency: anyNode };
  const { nextPageToken } = await session.ok("ListSnapshots", listed, {
    snapshots: [{ name: "here" }],
  });
  const second = { ...listed, pageToken: nextPageToken };
  await session.ok("ListSnapshots", second, { snapshots: [{ name: "there" }] });
  const replay = { subscription, from: { latest: {} }, requestId: `replay-${topic}` };
  await session.ok("StartReplay", replay);
  await session.ok("StartReplay", replay, { replayed: true });
  await session.ok("GetReplay", { subscription, consistency: anyNode });
  const replays = { topic, pageSize: 1, consistency: anyNode };
  await session.ok("ListReplays", { ...replays, pageToken: "" }, { replays: [{ subscription }] });
  await session.ok("DeleteTopic", { topic, force: true }, { existed: true });
}

/** Lists page by page, and reads as fresh as there is a word for. */
async function readPages(session, topic) {
  const topics = ["a", "b"].map((end) => `${topic}-${end}`);
  for (const each of topics) await session.ok("CreateTopic", { topic: each });
  const [first] = topics;
  for (const endpoint of ["one", "two"]) {
    // Paused, so that the topic has the message until it is asked about.
    const settings = { paused: true };
    await session.ok("Subscribe", { topic: first, kind: "TARGET_KIND_STREAM", endpoint, settings });
  }
  const { messageId } = await session.ok("Publish", { topic: first, text: "read" });
  const lists = [
    ["ListTopics", { namePrefix: topic }, "topics"],
    ["ListSubscriptions", { topic: first }, "subscriptions"],
    ["ExplainDelivery", { topic: first, messageId }, "deliveries"],
  ];
  for (const [method, request, field] of lists) {
    let pageToken = "";
    for (let page = 1; page <= 2; page += 1) {
      const asked = { ...request, pageSize: 1, pageToken, consistency: anyNode };
      const response = await session.ok(method, asked, {});
      if (response[field]?.length !== 1)
        throw new Error(`${method}: page ${page} is not one long.`);
      pageToken = response.nextPageToken ?? "";
      if ((pageToken === "") !== (page === 2))
        throw new Error(`${method}: page ${page} ends wrong.`);
    }
  }
  const { subscriptions } = await session.ok("ListSubscriptions", { topic: first });
  const [{ subscription }] = subscriptions;
  for (const consistency of [anyNode, { maxStaleness: "1s" }, { atLeast: "1/1" }]) {
    await session.ok("GetTopic", { topic: first, consistency }, { topic: { topic: first } });
    await session.ok("GetSubscription", { subscription, consistency });
    await session.ok("ListTopicTags", { topic: first, consistency });
    await session.ok("GetDataProtectionPolicy", { topic: first, consistency });
  }
  const filter = {
    filterPolicy: '{"kind":["weather"]}',
    filterPolicyScope: "FILTER_POLICY_SCOPE_MESSAGE_BODY",
    message: '{"kind":"weather"}',
  };
  await session.ok("TestFilterPolicy", filter, { matched: true });
  for (const each of topics) await session.ok("DeleteTopic", { topic: each }, { existed: true });
}
