// The Produce stream: many messages in flight, results in their order, a bad entry in its place.

import { expect, test } from "vitest";
import type { ProduceResponse } from "../../src/gen/forebay/queue/v1/queue_service.js";
import { callErrorOfStatus } from "../support/call-error.js";
import type { ProduceCall } from "../support/queue-client.js";
import { bodiesOf, durationOf, scenario } from "../support/scenario.js";

const entry = (body: string, id = "") => ({ id, body: { $case: "text" as const, value: body } });
const entriesOf = (count: number, from = 0) =>
  Array.from({ length: count }, (_, index) => entry(`m${from + index}`, `${from + index}`));

/** Each result as its place and what became of it. Fails when places are skipped or repeated. */
function resultsOf(responses: readonly ProduceResponse[]): string[] {
  const results: string[] = [];
  for (const response of responses) {
    expect(response.firstIndex).toBe(BigInt(results.length));
    for (const { result } of response.results) {
      if (result?.$case === "sent") results.push(`${result.value.id} sent`);
      else if (result?.$case === "error") {
        const { code, reason } = callErrorOfStatus(result.value);
        results.push(`${code} ${reason}`);
      } else results.push("nothing");
    }
  }
  return results;
}

const resultCount = (stream: ProduceCall): number =>
  stream.responses.reduce((sum, { results }) => sum + results.length, 0);

test("results come in the order of the entries, and the messages are stored in it", async () => {
  const t = await scenario();
  const stream = t.produce();
  stream.write({ queue: t.queue, entries: entriesOf(3) });
  stream.write({ queue: t.queue, entries: entriesOf(1, 3) });
  stream.write({ entries: entriesOf(6, 4) });
  stream.halfClose();
  expect(await stream.ended).toBeUndefined();
  const places = Array.from({ length: 10 }, (_, index) => String(index));
  expect(resultsOf(stream.responses)).toEqual(places.map((place) => `${place} sent`));
  const received = await t.receive({ max: 10 });
  expect(bodiesOf(received)).toEqual(places.map((place) => `m${place}`));
  const ids = stream.responses.flatMap(({ results }) =>
    results.map(({ result }) => (result?.$case === "sent" ? result.value.messageId : "")),
  );
  expect(ids).toEqual(received.map(({ id }) => id));
});

test("a result carries the digests of its message", async () => {
  const t = await scenario();
  const stream = t.produce();
  stream.write({
    queue: t.queue,
    entries: [
      {
        ...entry("message", "a"),
        attributes: new Map([
          ["MyAttribute", { dataType: "String", value: { $case: "stringValue", value: "foobar" } }],
        ]),
      },
    ],
  });
  stream.halfClose();
  await stream.ended;
  expect(stream.responses[0]?.results[0]?.result).toMatchObject({
    $case: "sent",
    value: {
      id: "a",
      md5OfBody: "78e731027d8fd50ed642340b7c9a63b3",
      md5OfAttributes: "adb59cd4678ea5a855436b949cd07ab6",
      md5OfSystemAttributes: "",
    },
  });
});

test("a bad entry is answered in its place with all that is wrong, and the stream goes on", async () => {
  const t = await scenario({ messageBytesMax: 1_024 });
  const stream = t.produce();
  stream.write({
    queue: t.queue,
    entries: [
      entry("good 1", "1"),
      entry("", "2"),
      entry("a\u0001", "3"),
      entry("x".repeat(1_025), "4"),
      { ...entry("late", "5"), delay: durationOf(900_001), groupId: "a b" },
      { ...entry("dedup", "6"), dedupId: "d1" },
      entry("good 2", "any id: not checked, not distinct"),
      entry("good 3", "any id: not checked, not distinct"),
    ],
  });
  stream.write({ entries: [entry("", "9")] });
  stream.write({ entries: [entry("good 4", "10")] });
  stream.halfClose();
  expect(await stream.ended).toBeUndefined();
  expect(resultsOf(stream.responses)).toEqual([
    "1 sent",
    "INVALID_ARGUMENT MISSING_PARAMETER",
    "INVALID_ARGUMENT INVALID_MESSAGE_CONTENTS",
    "INVALID_ARGUMENT MESSAGE_TOO_LONG",
    "INVALID_ARGUMENT INVALID_PARAMETER",
    "INVALID_ARGUMENT UNSUPPORTED_FOR_QUEUE_TYPE",
    "any id: not checked, not distinct sent",
    "any id: not checked, not distinct sent",
    "INVALID_ARGUMENT MISSING_PARAMETER",
    "10 sent",
  ]);
  const fifth = stream.responses[0]?.results[4]?.result;
  expect(fifth?.$case === "error" && callErrorOfStatus(fifth.value).violations).toEqual([
    "delay",
    "group_id",
  ]);
  expect(bodiesOf(await t.receive({ max: 10 }))).toEqual(["good 1", "good 2", "good 3", "good 4"]);
});

test("entries have the delays, groups and trace context of single sends", async () => {
  const t = await scenario({ delayMs: 5_000 });
  const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  const stream = t.client.produce({ metadata: { traceparent } });
  stream.write({
    queue: t.queue,
    entries: [entry("queue's delay"), { ...entry("at once"), delay: durationOf(0), groupId: "g1" }],
  });
  stream.halfClose();
  await stream.ended;
  const [now, ...others] = await t.receive({ max: 10 });
  expect(others).toEqual([]);
  expect(now).toMatchObject({
    body: "at once",
    message: { systemAttributes: { groupId: "g1", traceHeader: traceparent } },
  });
  await t.advance(5_000);
  expect(bodiesOf(await t.receive({ max: 10 }))).toEqual(["queue's delay"]);
});

test("a waiter gets what a stream brings", async () => {
  const t = await scenario();
  const poll = await t.poll({ max: 10 });
  const stream = t.produce();
  stream.write({ queue: t.queue, entries: entriesOf(2) });
  expect(bodiesOf(await poll.answer)).toEqual(["m0", "m1"]);
});

test("a stream that brings nothing ends OK", async () => {
  const t = await scenario();
  const silent = t.produce();
  silent.halfClose();
  expect(await silent.ended).toBeUndefined();
  const empty = t.produce();
  empty.write({ queue: t.queue });
  empty.write({});
  empty.halfClose();
  expect(await empty.ended).toBeUndefined();
  expect(resultsOf(empty.responses)).toEqual([]);
});

test("the first request names a queue that exists", async () => {
  const t = await scenario();
  const cases: [string, object][] = [
    ["", { code: "INVALID_ARGUMENT", reason: "MISSING_PARAMETER", violations: ["queue"] }],
    ["a b", { code: "INVALID_ARGUMENT", reason: "INVALID_PARAMETER", violations: ["queue"] }],
    ["other", { code: "NOT_FOUND", reason: "QUEUE_NOT_FOUND", resource: "queue other" }],
  ];
  for (const [queue, expected] of cases) {
    for (const entries of [[], entriesOf(2)]) {
      const stream = t.produce();
      stream.write({ queue, entries });
      expect(await stream.ended, queue).toMatchObject(expected);
      expect(resultsOf(stream.responses)).toEqual([]);
    }
  }
});

test("a caller that ends its side at once learns all the same that there is no such queue", async () => {
  const t = await scenario();
  for (let turn = 0; turn < 20; turn += 1) {
    const stream = t.produce();
    stream.write({ queue: "other", entries: turn % 2 === 0 ? [] : entriesOf(2) });
    stream.halfClose();
    expect(await stream.ended).toMatchObject({ code: "NOT_FOUND", reason: "QUEUE_NOT_FOUND" });
    expect(resultsOf(stream.responses)).toEqual([]);
  }
});

test("a later request is for the same queue; for another the stream ends, after what came before was answered", async () => {
  const t = await scenario();
  await t.createQueue("other");
  const stream = t.produce();
  stream.write({ queue: t.queue, entries: entriesOf(2) });
  stream.write({ queue: "other", entries: entriesOf(1) });
  stream.write({ queue: t.queue, entries: entriesOf(1) });
  expect(await stream.ended).toMatchObject({
    code: "INVALID_ARGUMENT",
    reason: "INVALID_PARAMETER",
    violations: ["queue"],
  });
  expect(resultsOf(stream.responses)).toEqual(["0 sent", "1 sent"]);
  expect(await t.counts()).toBe("2/0/0");
  expect(await t.counts("other")).toBe("0/0/0");
});

test("a request has at most 1000 entries", async () => {
  const t = await scenario();
  const most = t.produce();
  most.write({ queue: t.queue, entries: entriesOf(1_000) });
  most.halfClose();
  expect(await most.ended).toBeUndefined();
  expect(resultCount(most)).toBe(1_000);
  const tooMany = t.produce();
  tooMany.write({ queue: t.queue, entries: entriesOf(1_001) });
  expect(await tooMany.ended).toMatchObject({
    code: "INVALID_ARGUMENT",
    reason: "INVALID_PARAMETER",
    violations: ["entries"],
  });
  expect(await t.counts()).toBe("1000/0/0");
});

test("20,000 entries pour through one stream, each answered once and in order", async () => {
  const t = await scenario();
  const stream = t.produce();
  for (let request = 0; request < 40; request += 1) {
    const isRoom = stream.write({ queue: t.queue, entries: entriesOf(500, request * 500) });
    if (!isRoom) await stream.drained();
  }
  stream.halfClose();
  expect(await stream.ended).toBeUndefined();
  const expected = Array.from({ length: 20_000 }, (_, index) => `${index} sent`);
  expect(resultsOf(stream.responses)).toEqual(expected);
  expect(await t.counters()).toMatchObject({ visible: 20_000, sent: 20_000 });
});

test("a caller that does not read its results is not read from without end", async () => {
  const t = await scenario();
  const stream = t.produce();
  stream.pause();
  const perRequest = 200;
  // Results of some 150 bytes each: far more than both sides' windows hold.
  const requestCount = 250;
  let writtenCount = 0;
  const writing = (async () => {
    while (writtenCount < requestCount) {
      const isRoom = stream.write({
        queue: t.queue,
        entries: entriesOf(perRequest, writtenCount * perRequest),
      });
      writtenCount += 1;
      if (!isRoom) await stream.drained();
    }
  })();
  let before = -1;
  for (let stored = 0; stored !== before; ) {
    before = stored;
    await new Promise((resolve) => setTimeout(resolve, 150));
    stored = (await t.counters()).stored;
  }
  expect(before).toBeGreaterThan(0);
  expect(before).toBeLessThan(perRequest * requestCount);
  stream.resume();
  await writing;
  stream.halfClose();
  expect(await stream.ended).toBeUndefined();
  expect(resultCount(stream)).toBe(perRequest * requestCount);
  expect((await t.counters()).stored).toBe(perRequest * requestCount);
});

test("when its queue is deleted a stream ends with NOT_FOUND, after what was stored was answered", async () => {
  const t = await scenario();
  const stream = t.produce();
  stream.write({ queue: t.queue, entries: entriesOf(2) });
  await t.settle();
  await t.deleteQueue();
  stream.write({ entries: entriesOf(2, 2) });
  expect(await stream.ended).toMatchObject({
    code: "NOT_FOUND",
    reason: "QUEUE_NOT_FOUND",
    resource: "queue orders",
  });
  expect(resultsOf(stream.responses)).toEqual(["0 sent", "1 sent"]);
});

test("a server that stops answers all that it read, and ends the stream as unavailable", async () => {
  const t = await scenario();
  const stream = t.produce();
  const lazy = t.produce();
  lazy.write({ queue: t.queue, entries: entriesOf(1) });
  await t.settle();
  for (let request = 0; request < 10; request += 1) {
    stream.write({ queue: t.queue, entries: entriesOf(100, request * 100) });
  }
  await t.client.call("listQueues", {});
  const stopped = t.stop();
  for (const each of [stream, lazy]) {
    expect(await each.ended).toMatchObject({
      code: "UNAVAILABLE",
      reason: "SHUTTING_DOWN",
      retryAfterMs: 1_000,
    });
  }
  await stopped;
  const results = resultsOf(stream.responses);
  expect(results.every((result) => result.endsWith("sent"))).toBe(true);
  await t.start();
  expect((await t.counters()).stored).toBe(results.length + 1);
});

test("a stream that is reset may leave messages behind, whole requests only", async () => {
  const t = await scenario();
  const stream = t.produce();
  for (let request = 0; request < 5; request += 1) {
    stream.write({ queue: t.queue, entries: entriesOf(10, request * 10) });
  }
  await stream.until(() => resultCount(stream) > 0);
  stream.cancel();
  expect(await stream.ended).toMatchObject({ code: "CANCELLED" });
  await t.settle();
  const { stored } = await t.counters();
  expect(stored).toBeGreaterThanOrEqual(resultCount(stream));
  expect(stored % 10).toBe(0);
});

test("a stream over the server's bound has its entries refused, with a hint when to come again", async () => {
  // Sixteen commands may wait, and every request is one.
  const t = await scenario({ config: { commandsPendingMax: 16 } });
  const stream = t.produce();
  for (let request = 0; request < 100; request += 1) {
    stream.write({ queue: t.queue, entries: entriesOf(1, request) });
  }
  stream.halfClose();
  expect(await stream.ended).toBeUndefined();
  const results = resultsOf(stream.responses);
  expect(results).toHaveLength(100);
  const kinds = new Set(results.map((result) => result.replace(/^\d+ /, "")));
  expect(kinds).toEqual(new Set(["sent", "RESOURCE_EXHAUSTED COMMIT_BACKLOG"]));
  expect((await t.counters()).stored).toBe(
    results.filter((result) => result.endsWith("sent")).length,
  );
});
