// Tail: what is published, as it is published; what was skipped, told exactly; and how it ends (T55 and topic.md 2.5).

import { expect, test } from "vitest";
import { FilterPolicyScope } from "../../src/gen/forebay/topic/v1/topic.js";
import { DiscontinuityCause, SlowPolicy } from "../../src/gen/forebay/topic/v1/topic_service.js";
import { durationOf, type Scenario, scenario } from "../support/scenario.js";
import { openTail, type TailStream, tail } from "../support/topic-streams.js";
import { createTopic, publish, subscribe, topicCall } from "../support/topics.js";

async function topics(): Promise<Scenario> {
  const t = await scenario({ create: "none" });
  await createTopic(t, "news");
  return t;
}

const numbered = (from: number, to: number): string[] =>
  Array.from({ length: to - from + 1 }, (_, index) => String(from + index));

/** So many messages, ten a call, in order. */
async function publishMany(t: Scenario, bodies: readonly string[], padding = 0): Promise<void> {
  const calls: Promise<unknown>[] = [];
  for (let from = 0; from < bodies.length; from += 10) {
    const entries = bodies.slice(from, from + 10).map((body) => ({
      id: body,
      body: { $case: "text" as const, value: body.padEnd(padding, " ") },
    }));
    calls.push(topicCall(t, "publishBatch", { topic: "news", entries }));
  }
  await Promise.all(calls);
}

test("a tail is ready first, and shows every publish after that with all it came with", async () => {
  const t = await topics();
  await publish(t, "news", "before");
  const stream = await tail(t, "news");
  expect((await stream.ready()).currentSequence).toBe("00000000000000000001");
  const { messageId } = await publish(t, "news", "after", {
    subject: "It is",
    attributes: { colour: "red" },
  });
  await publish(t, "news", new Uint8Array([0, 255]), { contentType: "image/x" });
  await stream.until(() => stream.responses.length === 3);
  expect(stream.kinds).toEqual(["ready", "message", "message"]);
  expect(stream.responses[1]?.item?.value).toMatchObject({
    messageId,
    topic: "news",
    subject: "It is",
    body: { $case: "text", value: "after" },
    attributes: new Map([["colour", { value: { $case: "stringValue", value: "red" } }]]),
    sequenceNumber: "00000000000000000002",
    isReplayed: false,
  });
  expect(stream.responses[2]?.item?.value).toMatchObject({
    body: { $case: "data", value: Buffer.from([0, 255]) },
    contentType: "image/x",
  });
});

test("tails that begin while others publish miss nothing from their ready on", async () => {
  const t = await topics();
  const publishing = publishMany(t, numbered(1, 300));
  const streams: TailStream[] = [];
  for (let each = 0; each < 20; each += 1) streams.push(await tail(t, "news"));
  await publishing;
  await publish(t, "news", "end");
  for (const stream of streams) {
    await stream.until(() => stream.bodies.includes("end"));
    const current = Number((await stream.ready()).currentSequence || "0");
    expect(stream.places).toEqual(numbered(current + 1, 301).map(Number));
  }
});

test("T55 a slow reader with room for ten messages is told exactly how many of a burst it missed", async () => {
  const t = await topics();
  const stream = await tail(t, "news", { bufferMaxMessages: 10 });
  stream.pause();
  // Long enough that what the transport itself holds is a small part of it.
  await publishMany(t, numbered(1, 1_000), 20_000);
  stream.resume();
  await stream.until(() => stream.places.at(-1) === 1_000);
  // Mostly one gap; more where the transport took something in the middle of the burst.
  const { gaps, places: shown } = stream;
  expect(gaps.length).toBeGreaterThan(0);
  const missed = numbered(1, 1_000)
    .map(Number)
    .filter((place) => !shown.includes(place));
  expect(stream.skipped).toBe(missed.length);
  expect(missed.length).toBeGreaterThan(500);
  for (const { cause, lastSent, next, skippedCount } of gaps) {
    expect(cause).toBe(DiscontinuityCause.SLOW_CONSUMER);
    // What it missed is one run, from behind the last one sent to before the next one.
    expect(Number(next) - Number(lastSent) - 1).toBe(Number(skippedCount));
    expect(shown).toContain(Number(lastSent));
    expect(shown).toContain(Number(next));
  }
  expect(shown.slice(-10)).toEqual(numbered(991, 1_000).map(Number));
});

test("with DROP_NEWEST a slow reader keeps what came first, and is told of the rest although nothing follows", async () => {
  const t = await topics();
  const stream = await tail(t, "news", {
    bufferMaxMessages: 10,
    slowPolicy: SlowPolicy.DROP_NEWEST,
  });
  stream.pause();
  await publishMany(t, numbered(1, 500), 20_000);
  stream.resume();
  await stream.until(() => stream.places.length + stream.skipped === 500);
  const { gaps, places: shown } = stream;
  // Up to the first gap everything came, the ten that were kept among it; and the counts add up to the end of the burst.
  const firstShown = Number(gaps[0]?.lastSent);
  expect(firstShown).toBeGreaterThanOrEqual(10);
  expect(shown.slice(0, firstShown)).toEqual(numbered(1, firstShown).map(Number));
  expect(Math.max(shown.at(-1) ?? 0, Number(gaps.at(-1)?.next) - 1)).toBe(500);
});

test("with DISCONNECT a slow reader is cut off and told where to go on, and resumes there without a gap", async () => {
  const t = await topics();
  const stream = await tail(t, "news", {
    bufferMaxMessages: 10,
    slowPolicy: SlowPolicy.DISCONNECT,
  });
  const { topicEpoch } = await stream.ready();
  stream.pause();
  await publishMany(t, numbered(1, 500), 10_000);
  stream.resume();
  const error = await stream.ended;
  expect(error).toMatchObject({ code: "RESOURCE_EXHAUSTED", reason: "SLOW_CONSUMER" });
  const resumeAfterSequence = error?.metadata?.["resume_after_sequence"] ?? "";
  expect(Number(resumeAfterSequence)).toBe(stream.places.length);
  const again = await tail(t, "news", { resumeAfterSequence, topicEpoch });
  await again.until(() => stream.places.length + again.places.length === 500);
  expect([...stream.places, ...again.places]).toEqual(numbered(1, 500).map(Number));
  expect(again.gaps).toEqual([]);
});

test("a reader that takes nothing for 30 s is cut off whatever its policy", async () => {
  const t = await topics();
  const stream = await tail(t, "news");
  stream.pause();
  await publishMany(t, numbered(1, 200), 100_000);
  // The transport takes some of it, in real time; the 30 s begin when it takes no more.
  await new Promise((resolve) => setTimeout(resolve, 500));
  await t.advance(29_999);
  expect(stream.isEnded).toBe(false);
  await t.advance(1);
  stream.resume();
  expect(await stream.ended).toMatchObject({ reason: "SLOW_CONSUMER" });
});

test("a tail that comes back reads what memory and store still have, and goes on live", async () => {
  const t = await topics();
  const first = await tail(t, "news");
  const { topicEpoch } = await first.ready();
  await publishMany(t, numbered(1, 200));
  await first.until(() => first.bodies.length === 200);
  first.cancel();
  await publishMany(t, numbered(201, 300));
  const again = await tail(t, "news", { resumeAfterSequence: "00000000000000000150", topicEpoch });
  await publishMany(t, numbered(301, 310));
  await again.until(() => again.bodies.includes("310"));
  expect(again.bodies).toEqual(numbered(151, 310));
  expect(again.gaps).toEqual([]);
});

test("without a tail before, it reads what a paused subscription keeps in the store", async () => {
  const t = await topics();
  await publishMany(t, numbered(1, 10));
  await t.createQueue("orders");
  await subscribe(t, "news", "orders", { isPaused: true });
  await publishMany(t, numbered(11, 200));
  const stream = openTail(t, { topic: "news", resumeAfterSequence: "3" });
  await stream.until(() => stream.bodies.includes("200"));
  // Right after ready and before any message: 4 to 10 are gone.
  expect(stream.kinds.slice(0, 3)).toEqual(["ready", "discontinuity", "message"]);
  expect(stream.gaps).toEqual([
    {
      lastSent: "00000000000000000003",
      next: "00000000000000000011",
      skippedCount: 7n,
      cause: DiscontinuityCause.RESUME_UNAVAILABLE,
    },
  ]);
  expect(stream.bodies).toEqual(numbered(11, 200));
});

test("what is kept for tails that come back is kept for a minute", async () => {
  const t = await topics();
  const first = await tail(t, "news");
  await publishMany(t, numbered(1, 10));
  await first.until(() => first.bodies.length === 10);
  first.cancel();
  await t.advance(59_000);
  const soon = await tail(t, "news", { resumeAfterSequence: "5" });
  await soon.until(() => soon.bodies.length === 5);
  soon.cancel();
  await t.settle();
  await t.advance(60_001);
  const late = await tail(t, "news", { resumeAfterSequence: "5" });
  await late.until(() => late.gaps.length === 1);
  expect(late.gaps[0]).toMatchObject({ skippedCount: 5n, next: "00000000000000000011" });
  expect(late.bodies).toEqual([]);
});

test("a tail of a topic that was created anew is told so, and nobody claims to know how much it missed", async () => {
  const t = await topics();
  const first = await tail(t, "news");
  const { topicEpoch } = await first.ready();
  await topicCall(t, "deleteTopic", { topic: "news" });
  expect(await first.ended).toMatchObject({ code: "NOT_FOUND", reason: "TOPIC_NOT_FOUND" });
  await createTopic(t, "news");
  const again = await tail(t, "news", { resumeAfterSequence: "1", topicEpoch });
  expect((await again.ready()).topicEpoch).not.toBe(topicEpoch);
  await publish(t, "news", "new");
  await again.until(() => again.bodies.length > 0);
  expect(again.kinds).toEqual(["ready", "discontinuity", "message"]);
  expect(again.gaps[0]).toMatchObject({ cause: DiscontinuityCause.TOPIC_RECREATED });
  expect(again.gaps[0]?.skippedCount).toBeUndefined();
});

test("a tail with a filter shows what the filter takes, and says of a gap that nobody knows its count", async () => {
  const t = await topics();
  const first = await tail(t, "news", { filterPolicy: '{"colour":["red"]}' });
  const other = await tail(t, "news", {
    filterPolicy: '{"n":[{"numeric":[">",1]}]}',
    filterPolicyScope: FilterPolicyScope.MESSAGE_BODY,
  });
  await publish(t, "news", '{"n":1}', { attributes: { colour: "blue" } });
  await publish(t, "news", '{"n":2}', { attributes: { colour: "red" } });
  await publish(t, "news", '{"n":3}');
  await other.until(() => other.bodies.length === 2);
  expect(other.bodies).toEqual(['{"n":2}', '{"n":3}']);
  expect(first.bodies).toEqual(['{"n":2}']);
  const restarted = openTail(t, { topic: "news", filterPolicy: "{" });
  expect(await restarted.ended).toMatchObject({ reason: "FILTER_INVALID" });
  first.cancel();
  other.cancel();
  await t.settle();
  await t.advance(60_001);
  const late = await tail(t, "news", {
    filterPolicy: '{"colour":["red"]}',
    resumeAfterSequence: "1",
  });
  await late.until(() => late.gaps.length === 1);
  expect(late.gaps[0]?.skippedCount).toBeUndefined();
});

test("a quiet tail says every so often that it lives, and how far it has looked", async () => {
  const t = await topics();
  const stream = await tail(t, "news", {
    heartbeat: durationOf(5_000),
    filterPolicy: '{"a":["b"]}',
  });
  await publish(t, "news", "not for it");
  await t.advance(5_000);
  expect(stream.kinds).toEqual(["ready"]);
  await t.advance(5_000);
  expect(stream.kinds).toEqual(["ready", "heartbeat"]);
  expect(stream.responses[1]?.item?.value).toEqual({ currentSequence: "00000000000000000001" });
  await t.advance(4_999);
  expect(stream.kinds).toHaveLength(2);
});

test("a tail ends when the server drains", async () => {
  const t = await topics();
  const stream = await tail(t, "news");
  await t.stop();
  expect(await stream.ended).toMatchObject({ code: "UNAVAILABLE", reason: "SHUTTING_DOWN" });
});

test("a tail out of its bounds, or of no topic, is refused", async () => {
  const t = await topics();
  const bad = openTail(t, {
    topic: "news",
    bufferMaxMessages: 0,
    bufferMaxBytes: 1,
    heartbeat: durationOf(4_999),
    resumeAfterSequence: "x",
  });
  const error = await bad.ended;
  expect(error).toMatchObject({ code: "INVALID_ARGUMENT", reason: "INVALID_PARAMETER" });
  expect(error?.violations).toEqual([
    "buffer_max_messages",
    "buffer_max_bytes",
    "heartbeat",
    "resume_after_sequence",
  ]);
  expect(await openTail(t, { topic: "none" }).ended).toMatchObject({ reason: "TOPIC_NOT_FOUND" });
});

test("a tail may be opened again and again, as those that ended make room", async () => {
  const t = await topics();
  for (let each = 0; each < 30; each += 1) (await tail(t, "news")).cancel();
  const stream = await tail(t, "news");
  await publish(t, "news", "here");
  await stream.until(() => stream.bodies.length === 1);
});
