// Topics as resources: names, settings, tags, lists (T01 to T08).

import { expect, test } from "vitest";
import { BackoffFunction, TopicType } from "../../src/gen/forebay/topic/v1/topic.js";
import { durationOf, msOf, scenario } from "../support/scenario.js";
import { createTopic, publish, topicCall } from "../support/topics.js";

const invalidParameter = { code: "INVALID_ARGUMENT", reason: "INVALID_PARAMETER" };

test("T01 a topic's name has 1 to 256 letters, digits, hyphens and underscores, and .fifo behind them if it is one", async () => {
  const t = await scenario({ create: "none" });
  await createTopic(t, "a".repeat(256));
  await createTopic(t, `${"a".repeat(256)}.fifo`);
  for (const name of [
    "a".repeat(257),
    `${"a".repeat(257)}.fifo`,
    "bad name",
    "a.b",
    ".fifo",
    "é",
  ]) {
    await expect(createTopic(t, name)).rejects.toMatchObject({
      ...invalidParameter,
      violations: ["topic"],
    });
  }
  await expect(createTopic(t, "")).rejects.toMatchObject({ reason: "MISSING_PARAMETER" });
  const asked = (topic: string, type: TopicType) => topicCall(t, "createTopic", { topic, type });
  await expect(asked("x.fifo", TopicType.STANDARD)).rejects.toMatchObject(invalidParameter);
  await expect(asked("x", TopicType.FIFO)).rejects.toMatchObject(invalidParameter);
  expect((await asked("x.fifo", TopicType.FIFO)).topic?.type).toBe(TopicType.FIFO);
  expect((await asked("x", TopicType.STANDARD)).topic?.type).toBe(TopicType.STANDARD);
});

test("T02 creating a topic again is the same topic unless a setting given differs, which is named", async () => {
  const t = await scenario({ create: "none" });
  const first = await createTopic(t, "news", { displayName: "News", maximumMessageBytes: 2_048 });
  expect(first.created).toBe(true);
  const again = await createTopic(t, "news");
  expect(again).toMatchObject({ created: false, topic: { etag: first.topic?.etag ?? "" } });
  expect(again.topic?.settings).toMatchObject({ displayName: "News", maximumMessageBytes: 2_048 });
  await createTopic(t, "news", { displayName: "News" });
  await expect(
    createTopic(t, "news", { displayName: "Old", maximumMessageBytes: 4_096 }),
  ).rejects.toMatchObject({
    code: "ALREADY_EXISTS",
    reason: "TOPIC_EXISTS_DIFFERENT_ATTRIBUTES",
    metadata: { differing: "display_name,maximum_message_bytes" },
  });
  expect((await topicCall(t, "getTopic", { topic: "news" })).topic?.settings?.displayName).toBe(
    "News",
  );
});

test("T03 creating a topic again takes fewer tags, and no new one", async () => {
  const t = await scenario({ create: "none" });
  const create = (tags: Record<string, string>) =>
    topicCall(t, "createTopic", { topic: "news", tags: new Map(Object.entries(tags)) });
  await create({ a: "1", b: "2" });
  expect((await create({ a: "1" })).created).toBe(false);
  for (const tags of [{ a: "1", c: "3" }, { a: "2" }]) {
    await expect(create(tags)).rejects.toMatchObject({
      code: "ALREADY_EXISTS",
      reason: "TOPIC_EXISTS_DIFFERENT_TAGS",
      metadata: { differing: "c" in tags ? "c" : "a" },
    });
  }
});

test("T04 a deleted topic is not found, and deleting it again is OK", async () => {
  const t = await scenario({ create: "none" });
  await createTopic(t, "news");
  const etag = (await topicCall(t, "getTopic", { topic: "news" })).topic?.etag ?? "";
  await expect(topicCall(t, "deleteTopic", { topic: "news", etag: "other" })).rejects.toMatchObject(
    { code: "ABORTED", reason: "ETAG_MISMATCH", metadata: { etag } },
  );
  expect(await topicCall(t, "deleteTopic", { topic: "news", etag })).toEqual({ existed: true });
  expect(await topicCall(t, "deleteTopic", { topic: "news" })).toEqual({ existed: false });
  const notFound = { code: "NOT_FOUND", reason: "TOPIC_NOT_FOUND", metadata: { topic: "news" } };
  await expect(topicCall(t, "getTopic", { topic: "news" })).rejects.toMatchObject(notFound);
  await expect(publish(t, "news", "x")).rejects.toMatchObject(notFound);
});

test("T05 a topic created anew has none of the old one's tags", async () => {
  const t = await scenario({ create: "none" });
  const tagsOf = async () => (await topicCall(t, "listTopicTags", { topic: "news" })).tags;
  await topicCall(t, "createTopic", { topic: "news", tags: new Map([["old", "1"]]) });
  await topicCall(t, "tagTopic", { topic: "news", tags: new Map([["more", "2"]]) });
  expect(await tagsOf()).toEqual(
    new Map([
      ["old", "1"],
      ["more", "2"],
    ]),
  );
  await topicCall(t, "untagTopic", { topic: "news", tagKeys: ["old", "unknown"] });
  expect(await tagsOf()).toEqual(new Map([["more", "2"]]));
  await topicCall(t, "deleteTopic", { topic: "news" });
  await topicCall(t, "createTopic", { topic: "news", tags: new Map([["new", "3"]]) });
  expect(await tagsOf()).toEqual(new Map([["new", "3"]]));
});

test("T06 a list of 105 topics has a page of 100 and one of 5, without repeats, in the order of names", async () => {
  const t = await scenario({ create: "none" });
  const names = Array.from(
    { length: 105 },
    (_, index) => `topic-${String(index).padStart(3, "0")}`,
  );
  for (const name of names) await createTopic(t, name);
  const first = await topicCall(t, "listTopics", {});
  expect(first.topics).toHaveLength(100);
  // What comes and goes between two pages changes nothing about the others.
  await createTopic(t, "topic-0000");
  await topicCall(t, "deleteTopic", { topic: "topic-050" });
  const second = await topicCall(t, "listTopics", { pageToken: first.nextPageToken });
  expect(second.nextPageToken).toBe("");
  expect([...first.topics, ...second.topics].map(({ topic }) => topic)).toEqual(names);
  const prefixed = await topicCall(t, "listTopics", { namePrefix: "topic-10", pageSize: 3 });
  expect(prefixed.topics.map(({ topic }) => topic)).toEqual([
    "topic-100",
    "topic-101",
    "topic-102",
  ]);
  await expect(
    topicCall(t, "listTopics", { pageToken: prefixed.nextPageToken }),
  ).rejects.toMatchObject({ reason: "INVALID_PAGE_TOKEN" });
  await expect(topicCall(t, "listTopics", { pageSize: 101 })).rejects.toMatchObject({
    ...invalidParameter,
    violations: ["page_size"],
  });
});

test("T07 the type of a topic cannot be changed, and an unknown setting is named", async () => {
  const t = await scenario({ create: "none" });
  await createTopic(t, "news", { displayName: "News", maximumMessageBytes: 2_048 });
  const update = (updateMask: string[], settings = {}) =>
    topicCall(t, "updateTopic", { topic: "news", updateMask, settings });
  await expect(update(["type"])).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
    reason: "IMMUTABLE_FIELD",
  });
  await expect(update(["colour"])).rejects.toMatchObject(invalidParameter);
  await expect(
    update(["content_based_deduplication"], { contentBasedDeduplication: true }),
  ).rejects.toMatchObject({ reason: "NOT_FIFO" });
  // Named and unset goes back to the default; what is not named stays, whatever is given.
  const { topic } = await update(["display_name"], { maximumMessageBytes: 1_024 });
  expect(topic?.settings).toMatchObject({ displayName: "", maximumMessageBytes: 2_048 });
});

test("T08 a delivery policy in part is completed with the defaults", async () => {
  const t = await scenario({ create: "none" });
  const retry = { minDelay: durationOf(5_000), maxDelay: durationOf(6_000), retries: 1 };
  await topicCall(t, "createTopic", { topic: "news", settings: { deliveryPolicy: { retry } } });
  const { topic } = await topicCall(t, "getTopic", { topic: "news" });
  expect(topic?.settings?.deliveryPolicy?.retry?.noDelayRetries).toBeUndefined();
  const effective = topic?.effectiveDeliveryPolicy;
  expect(effective?.retry).toMatchObject({
    retries: 1,
    noDelayRetries: 0,
    minDelayRetries: 0,
    maxDelayRetries: 0,
    backoff: BackoffFunction.LINEAR,
  });
  expect([effective?.retry?.minDelay, effective?.retry?.maxDelay].map(msOf)).toEqual([
    5_000, 6_000,
  ]);
  expect(effective?.headerContentType).toBe("text/plain; charset=UTF-8");
  await expect(
    topicCall(t, "createTopic", {
      topic: "other",
      settings: { deliveryPolicy: { retry: { ...retry, minDelay: durationOf(7_000) } } },
    }),
  ).rejects.toMatchObject(invalidParameter);
});

test("T52 a permission is added once under its label and for actions that there are, and removing one that is not there is OK", async () => {
  const t = await scenario({ create: "none" });
  await createTopic(t, "news");
  const policyOf = async () =>
    (await topicCall(t, "getTopic", { topic: "news" })).topic?.settings?.policy ?? "";
  const add = (label: string, actions: string[]) =>
    topicCall(t, "addPermission", { topic: "news", label, principals: ["billing"], actions });
  await add("readers", ["Subscribe", "Receive"]);
  expect(JSON.parse(await policyOf())).toMatchObject({
    Statement: [{ Sid: "readers", Action: ["topic:Subscribe", "topic:Receive"] }],
  });
  await expect(add("readers", ["Publish"])).rejects.toMatchObject({ reason: "LABEL_EXISTS" });
  await expect(add("others", ["Fly"])).rejects.toMatchObject(invalidParameter);
  await topicCall(t, "removePermission", { topic: "news", label: "unknown" });
  await topicCall(t, "removePermission", { topic: "news", label: "readers" });
  expect(await policyOf()).toBe("");
  await expect(
    topicCall(t, "updateTopic", {
      topic: "news",
      updateMask: ["policy"],
      settings: { policy: '{"Statement": [{"Effect": "Maybe"}]}' },
    }),
  ).rejects.toMatchObject({ code: "INVALID_ARGUMENT", reason: "INVALID_POLICY" });
});

test("what this release does not have says so, and nothing is done", async () => {
  const t = await scenario({ create: "none" });
  const later = { code: "UNIMPLEMENTED", reason: "UNSUPPORTED_OPERATION" };
  await expect(createTopic(t, "news", { encryptionKey: "k" })).rejects.toMatchObject({
    ...later,
    metadata: { field: "settings.encryption_key" },
  });
  await expect(topicCall(t, "getTopic", { topic: "news" })).rejects.toMatchObject({
    reason: "TOPIC_NOT_FOUND",
  });
});
