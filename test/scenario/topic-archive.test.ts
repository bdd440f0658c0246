// The archive of a topic (T54): what is in it, for how long, what ends it and what is refused because of it; snapshots; and the range
// that a replay may have. After each test the store is checked for contradictions.

import { expect, test } from "vitest";
import { type ReplayPoint, ReplayState, TargetKind } from "../../src/gen/forebay/topic/v1/topic.js";
import { durationOf, msOf, type Scenario, scenario } from "../support/scenario.js";
import { tail } from "../support/topic-streams.js";
import {
  createTopic,
  publish,
  subscribe,
  type TopicRequest,
  topicCall,
} from "../support/topics.js";
import { callError, hook, subscribeHook, webhookScenario } from "../support/webhooks.js";

const dayMs = 86_400_000;
const archived = { archiveRetention: durationOf(dayMs) };
const beginning: ReplayPoint = { point: { $case: "beginning", value: {} } };
const latest: ReplayPoint = { point: { $case: "latest", value: {} } };
const number = (place: number): ReplayPoint => ({
  point: { $case: "sequenceNumber", value: String(place) },
});
const snapshot = (name: string): ReplayPoint => ({ point: { $case: "snapshot", value: name } });
const instant = (at: number): ReplayPoint => ({
  point: {
    $case: "time",
    value: { seconds: BigInt(Math.floor(at / 1_000)), nanos: (at % 1_000) * 1_000_000 },
  },
});

const topicOf = async (t: Scenario, topic: string) => {
  const { topic: found } = await topicCall(t, "getTopic", { topic });
  if (found === undefined) throw new Error("There is no topic.");
  return found;
};

const setRetention = (t: Scenario, retentionMs: number, confirmArchiveDeletion = false) =>
  topicCall(t, "updateTopic", {
    topic: "news",
    settings: { archiveRetention: durationOf(retentionMs) },
    updateMask: ["archive_retention"],
    confirmArchiveDeletion,
  });

const start = (
  t: Scenario,
  subscription: string,
  from: ReplayPoint,
  options: Omit<TopicRequest<"startReplay">, "subscription" | "from"> = {},
) => topicCall(t, "startReplay", { ...options, subscription, from });

async function replayed(t: Scenario, subscription: string): Promise<void> {
  for (let left = 200; left > 0; left -= 1) {
    const { replay } = await topicCall(t, "getReplay", { subscription });
    if (replay?.state === ReplayState.COMPLETED) return;
    await t.advance(10);
  }
  throw new Error("The replay did not end.");
}

const bodiesIn = async (t: Scenario, queue: string): Promise<string[]> =>
  (await t.receive({ queue, max: 10 })).map(({ body }) => body);

async function archiveWithQueue(): Promise<{ readonly t: Scenario; readonly id: string }> {
  const t = await scenario({ create: "none" });
  await createTopic(t, "news", archived);
  await t.createQueue("orders");
  return { t, id: await subscribe(t, "news", "orders", { isRaw: true }) };
}

test("T54 a topic with an archive is not deleted, and its archive does not end, unless that is said", async () => {
  const t = await scenario({ create: "none" });
  await createTopic(t, "news", archived);
  await publish(t, "news", "kept");
  const refused = { code: "FAILED_PRECONDITION", reason: "ARCHIVE_ACTIVE" };
  expect(await callError(topicCall(t, "deleteTopic", { topic: "news" }))).toMatchObject(refused);
  expect(await callError(setRetention(t, 0))).toMatchObject(refused);
  expect((await topicOf(t, "news")).counters).toMatchObject({ archived: 1n });
  const { topic } = await setRetention(t, 0, true);
  expect(topic).toMatchObject({ beginningArchiveTime: undefined });
  expect((await topicOf(t, "news")).counters).toMatchObject({ archived: 0n, archivedBytes: 0n });
  expect(await topicCall(t, "deleteTopic", { topic: "news" })).toEqual({ existed: true });
  await createTopic(t, "news", archived);
  expect(await topicCall(t, "deleteTopic", { topic: "news", force: true })).toEqual({
    existed: true,
  });
});

test("an archive has what was published since it was begun, counted once, with its attributes, however many are subscribed", async () => {
  const t = await scenario({ create: "none" });
  await createTopic(t, "news");
  for (const queue of ["orders", "other"]) {
    await t.createQueue(queue);
    await subscribe(t, "news", queue, { isRaw: true });
  }
  await publish(t, "news", "before");
  await t.advance(1_000);
  const begun = t.now;
  await setRetention(t, dayMs);
  await t.advance(1_000);
  await publish(t, "news", "1234567890", { attributes: { kind: "a" } });
  await publish(t, "news", "12345");
  const found = await topicOf(t, "news");
  expect(found.counters).toMatchObject({
    published: 3n,
    fanOutPending: 0n,
    archived: 2n,
    archivedBytes: 26n,
  });
  expect(msOf(found.beginningArchiveTime)).toBe(begun);
  expect(found.settings?.archiveRetention).toMatchObject({ seconds: 86_400n });
  const { topics } = await topicCall(t, "listTopics", {});
  expect(topics.map(({ beginningArchiveTime: at }) => msOf(at))).toEqual([begun]);
});

test("what is older than the retention is not replayed any more, and its rows go", async () => {
  const { t, id } = await archiveWithQueue();
  await publish(t, "news", "old");
  await t.skip(dayMs / 2);
  await publish(t, "news", "young");
  expect(await bodiesIn(t, "orders")).toEqual(["old", "young"]);
  await t.skip(dayMs / 2);
  await start(t, id, beginning);
  await replayed(t, id);
  expect(await bodiesIn(t, "orders")).toContain("old");
  await t.advance(1_000);
  const { replay } = await start(t, id, beginning);
  expect(replay).toMatchObject({ position: "00000000000000000002", remaining: 1n });
  await replayed(t, id);
  // Whoever removes passes by every hour.
  await t.skip(3_600_000);
  const found = await topicOf(t, "news");
  expect(found.counters).toMatchObject({ archived: 1n, archivedBytes: 5n });
  expect(msOf(found.beginningArchiveTime)).toBe(t.now - dayMs);
});

test("a shorter retention removes at once what is too old, and a longer one does not bring it back", async () => {
  const t = await scenario({ create: "none" });
  await createTopic(t, "news", { archiveRetention: durationOf(10 * dayMs) });
  await publish(t, "news", "old");
  await t.skip(2 * dayMs);
  await publish(t, "news", "young");
  await setRetention(t, dayMs);
  await t.advance(10);
  expect((await topicOf(t, "news")).counters).toMatchObject({ archived: 1n, archivedBytes: 5n });
  const shortened = t.now - 10;
  await setRetention(t, 10 * dayMs);
  const began = msOf((await topicOf(t, "news")).beginningArchiveTime);
  expect(began).toBe(shortened - dayMs + 10);
});

test("what a slow replay has still to hand on is not removed before it has", async () => {
  const { t, id } = await archiveWithQueue();
  for (const text of ["1", "2", "3"]) await publish(t, "news", text);
  expect(await bodiesIn(t, "orders")).toHaveLength(3);
  await t.skip(dayMs - 1_000);
  await publish(t, "news", "4");
  await start(t, id, beginning, {
    speed: { speed: { $case: "originalTimes", value: 0.5 } },
  });
  // Each at its time: 1 to 3 at once, the fourth two days later.
  await t.skip(dayMs);
  await t.restart();
  expect((await topicOf(t, "news")).counters).toMatchObject({ archived: 1n });
  await t.skip(dayMs);
  await replayed(t, id);
  const { replay } = await topicCall(t, "getReplay", { subscription: id });
  expect(replay).toMatchObject({ delivered: 4n });
  await t.skip(3_600_000);
  expect((await topicOf(t, "news")).counters).toMatchObject({ archived: 0n, archivedBytes: 0n });
});

test("a tail resumes from the archive what everybody has had", async () => {
  const { t } = await archiveWithQueue();
  for (const text of ["1", "2", "3"]) await publish(t, "news", text);
  expect(await bodiesIn(t, "orders")).toHaveLength(3);
  const first = await tail(t, "news");
  const { topicEpoch } = await first.ready();
  const resumed = await tail(t, "news", { resumeAfterSequence: "1", topicEpoch });
  await resumed.until(() => resumed.bodies.length === 2);
  expect(resumed.bodies).toEqual(["2", "3"]);
  expect(resumed.gaps).toEqual([]);
});

test("a retention is one to 365 days, or none", async () => {
  const t = await scenario({ create: "none" });
  for (const ms of [1, dayMs - 1, 365 * dayMs + 1]) {
    const settings = { archiveRetention: durationOf(ms) };
    const error = await callError(topicCall(t, "createTopic", { topic: "news", settings }));
    expect(error).toMatchObject({ code: "INVALID_ARGUMENT", reason: "INVALID_PARAMETER" });
  }
  for (const [index, ms] of [0, dayMs, 365 * dayMs].entries()) {
    await createTopic(t, `news-${index}`, { archiveRetention: durationOf(ms) });
  }
  const again = topicCall(t, "createTopic", { topic: "news-1", settings: archived });
  expect((await again).created).toBe(false);
  const other = { archiveRetention: durationOf(2 * dayMs) };
  expect(
    await callError(topicCall(t, "createTopic", { topic: "news-1", settings: other })),
  ).toMatchObject({
    reason: "TOPIC_EXISTS_DIFFERENT_ATTRIBUTES",
    metadata: { differing: "archive_retention" },
  });
});

test("a replay begins in the archive and not in the future, and ends after it begins", async () => {
  const { t, id } = await archiveWithQueue();
  const begun = t.now;
  await t.advance(1_000);
  for (const text of ["1", "2", "3"]) await publish(t, "news", text);
  const range = { code: "INVALID_ARGUMENT", reason: "REPLAY_RANGE" };
  const bad: readonly (readonly [ReplayPoint, ReplayPoint | undefined])[] = [
    [instant(begun - 1_000), undefined],
    [instant(t.now + 1), undefined],
    [number(0), undefined],
    [number(4), undefined],
    [number(2), number(2)],
    [number(2), number(1)],
    [latest, latest],
    [number(1), beginning],
    [instant(t.now), instant(t.now)],
    [instant(t.now), instant(t.now - 1)],
  ];
  for (const [from, until] of bad) {
    expect(await callError(start(t, id, from, { until }))).toMatchObject(range);
  }
  for (const from of [instant(begun - 1_000), number(0)]) {
    const { replay } = await start(t, id, from, { clamp: true });
    expect(replay).toMatchObject({ position: "00000000000000000001", remaining: 3n });
    await replayed(t, id);
  }
  for (const from of [instant(t.now), number(3)])
    expect((await start(t, id, from)).replay).toBeDefined();
  await replayed(t, id);
});

test("what cannot be replayed is refused, each for its own reason", async () => {
  const t = await webhookScenario({ create: "none" });
  await createTopic(t, "plain");
  await createTopic(t, "news", archived);
  await createTopic(t, "other", archived);
  await t.createQueue("orders");
  const plain = await subscribe(t, "plain", "orders");
  const news = await subscribe(t, "news", "orders");
  const other = await subscribe(t, "other", "orders");
  expect(await callError(start(t, plain, beginning))).toMatchObject({
    code: "FAILED_PRECONDITION",
    reason: "NO_ARCHIVE",
  });
  expect(
    await callError(topicCall(t, "createSnapshot", { subscription: plain, name: "a" })),
  ).toMatchObject({ reason: "NO_ARCHIVE" });
  expect(await callError(start(t, news, beginning, { to: other }))).toMatchObject({
    code: "NOT_FOUND",
    reason: "SUBSCRIPTION_NOT_FOUND",
  });
  const pending = await subscribeHook(t, "news", (await hook()).url);
  expect(await callError(start(t, pending, beginning))).toMatchObject({
    code: "FAILED_PRECONDITION",
    reason: "SUBSCRIPTION_PENDING",
  });
  expect(await callError(topicCall(t, "getReplay", { subscription: news }))).toMatchObject({
    code: "NOT_FOUND",
    reason: "REPLAY_NOT_FOUND",
  });
  expect(await callError(start(t, news, snapshot("none")))).toMatchObject({
    code: "NOT_FOUND",
    reason: "SNAPSHOT_NOT_FOUND",
  });
  const missing = await callError(topicCall(t, "startReplay", { subscription: news }));
  expect(missing).toMatchObject({ reason: "MISSING_PARAMETER", metadata: { field: "from" } });
  const badSpeeds = [
    { $case: "messagesPerSecond" as const, value: 0 },
    { $case: "messagesPerSecond" as const, value: 100_001 },
    { $case: "originalTimes" as const, value: 0.009 },
    { $case: "originalTimes" as const, value: Number.NaN },
  ];
  for (const speed of badSpeeds) {
    const error = await callError(start(t, news, beginning, { speed: { speed } }));
    expect(error).toMatchObject({ code: "INVALID_ARGUMENT", reason: "INVALID_PARAMETER" });
  }
});

test("ten replays of a topic run at a time, and an eleventh is refused unless it replaces one", async () => {
  const t = await scenario({ create: "none" });
  await createTopic(t, "news", archived);
  for (const text of ["1", "2"]) await publish(t, "news", text);
  const ids: string[] = [];
  for (let index = 0; index < 11; index += 1) {
    const { subscription } = await topicCall(t, "subscribe", {
      topic: "news",
      kind: TargetKind.STREAM,
      endpoint: `stream-${index}`,
    });
    ids.push(subscription?.subscription ?? "");
  }
  const speed = { speed: { $case: "messagesPerSecond" as const, value: 1 } };
  for (const id of ids.slice(0, 10)) await start(t, id, beginning, { speed });
  const last = ids.at(-1) ?? "";
  expect(await callError(start(t, last, beginning, { speed }))).toMatchObject({
    code: "RESOURCE_EXHAUSTED",
    reason: "REPLAY_LIMIT",
    metadata: { limit: "10" },
  });
  await start(t, ids[0] ?? "", beginning, { speed });
  const page = await topicCall(t, "listReplays", { topic: "news", pageSize: 6 });
  const rest = await topicCall(t, "listReplays", { topic: "news", pageToken: page.nextPageToken });
  expect([...page.replays, ...rest.replays].map(({ subscription }) => subscription)).toEqual(
    ids.slice(0, 10),
  );
  expect(rest.nextPageToken).toBe("");
  await t.advance(1_000);
  await t.advance(1_000);
  await replayed(t, ids[0] ?? "");
  expect((await start(t, last, beginning)).replay?.state).toBe(ReplayState.PENDING);
  // With its subscription a replay is gone.
  await topicCall(t, "unsubscribe", { subscription: last });
  expect(await callError(topicCall(t, "getReplay", { subscription: last }))).toMatchObject({
    reason: "SUBSCRIPTION_NOT_FOUND",
  });
});

test("a snapshot has a name of its own in its subscription, and lives no longer than the archive keeps messages", async () => {
  const { t, id } = await archiveWithQueue();
  await publish(t, "news", "1");
  const { snapshot: made } = await topicCall(t, "createSnapshot", {
    subscription: id,
    name: "a",
    requestId: "once",
  });
  expect(made).toMatchObject({
    name: "a",
    subscription: id,
    sequenceNumber: "00000000000000000002",
  });
  expect(msOf(made?.expireTime)).toBe(t.now + dayMs);
  const again = { subscription: id, name: "a", requestId: "once" };
  expect(await topicCall(t, "createSnapshot", again)).toMatchObject({ replayed: true });
  expect(
    await callError(topicCall(t, "createSnapshot", { subscription: id, name: "a" })),
  ).toMatchObject({ code: "ALREADY_EXISTS", reason: "SNAPSHOT_EXISTS" });
  for (const ms of [3_599_999, dayMs + 1]) {
    const request = { subscription: id, name: "b", ttl: durationOf(ms) };
    expect(await callError(topicCall(t, "createSnapshot", request))).toMatchObject({
      code: "INVALID_ARGUMENT",
      reason: "INVALID_PARAMETER",
      metadata: { field: "ttl" },
    });
  }
  for (const name of ["", "a b", "a".repeat(81)]) {
    const error = await callError(topicCall(t, "createSnapshot", { subscription: id, name }));
    expect(error.code).toBe("INVALID_ARGUMENT");
  }
  await topicCall(t, "createSnapshot", { subscription: id, name: "b", ttl: durationOf(3_600_000) });
  const names = async () =>
    (await topicCall(t, "listSnapshots", { subscription: id })).snapshots.map(({ name }) => name);
  expect(await names()).toEqual(["a", "b"]);
  await t.skip(3_600_000);
  expect(await names()).toEqual(["a"]);
  expect(await callError(start(t, id, snapshot("b")))).toMatchObject({
    reason: "SNAPSHOT_NOT_FOUND",
  });
  const remove = () => topicCall(t, "deleteSnapshot", { subscription: id, name: "a" });
  expect(await remove()).toEqual({ existed: true });
  expect(await remove()).toEqual({ existed: false });
});

test("a subscription has a hundred snapshots at most, and those whose time is over do not count", async () => {
  const { t, id } = await archiveWithQueue();
  const create = (name: string, ttl?: number) =>
    topicCall(t, "createSnapshot", {
      subscription: id,
      name,
      ttl: ttl === undefined ? undefined : durationOf(ttl),
    });
  for (let index = 0; index < 100; index += 1) {
    await create(`s${String(index).padStart(3, "0")}`, index === 0 ? 3_600_000 : undefined);
  }
  expect(await callError(create("more"))).toMatchObject({
    code: "RESOURCE_EXHAUSTED",
    reason: "SNAPSHOT_LIMIT",
    metadata: { limit: "100" },
  });
  await t.skip(3_600_000);
  await create("more");
  const page = await topicCall(t, "listSnapshots", { subscription: id, pageSize: 60 });
  const rest = await topicCall(t, "listSnapshots", {
    subscription: id,
    pageToken: page.nextPageToken,
  });
  expect(page.snapshots).toHaveLength(60);
  expect(rest.snapshots).toHaveLength(40);
  expect(rest).toMatchObject({ nextPageToken: "" });
  const bad = topicCall(t, "listSnapshots", { subscription: id, pageToken: "bad" });
  expect((await callError(bad)).reason).toBe("INVALID_PAGE_TOKEN");
  // All of them go with it; the check of the store would find one.
  await topicCall(t, "unsubscribe", { subscription: id });
});
