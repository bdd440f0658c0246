// What streams take of the server, and what they leave: memory while a caller does not read, leases when a command is refused,
// a queue that is deleted under them, everything when they end.

import { getEventListeners } from "node:events";
import { expect, test } from "vitest";
import { type Consumer, consumer } from "../support/consumer.js";
import type { Duplex, ProduceCall, RequestPart } from "../support/queue-client.js";
import { type Scenario, scenario } from "../support/scenario.js";

type Request = NonNullable<RequestPart<"consume">["request"]>;

const hour = 3_600_000;
const notFound = { code: "NOT_FOUND", reason: "QUEUE_NOT_FOUND", resource: "queue orders" };

/** Writes as fast as the transport takes it; resolves with how many got away before it stood still. */
async function writeUntilHeldUp(
  stream: Duplex<"consume"> | ProduceCall,
  count: number,
  write: (index: number) => boolean,
): Promise<{ readonly writtenCount: number; readonly writing: Promise<void> }> {
  let writtenCount = 0;
  const writing = (async () => {
    while (writtenCount < count) {
      const isRoom = write(writtenCount);
      writtenCount += 1;
      if (!isRoom) await stream.drained();
    }
  })();
  // A server that is busy looks like one that does not read, for a while.
  let before = -1;
  for (let sameCount = 0; sameCount < 4; sameCount = before === writtenCount ? sameCount + 1 : 0) {
    before = writtenCount;
    await new Promise((resolve) => setTimeout(resolve, 150));
  }
  return { writtenCount, writing };
}

/** Messages sent in thousands over one stream. */
async function fill(t: Scenario, count: number): Promise<void> {
  const stream = t.produce();
  const entries = Array.from({ length: 1_000 }, () => ({
    body: { $case: "text" as const, value: "work" },
  }));
  for (let sent = 0; sent < count; sent += 1_000) stream.write({ queue: t.queue, entries });
  stream.halfClose();
  expect(await stream.ended).toBeUndefined();
}

/** Lets a consumer take so many messages. */
async function holdAll(stream: Consumer, count: number): Promise<string[]> {
  const handles: string[] = [];
  let read = 0;
  while (handles.length < count) {
    await stream.stream.until(() => stream.stream.responses.length > read);
    for (const { response } of stream.stream.responses.slice(read)) {
      read += 1;
      if (response?.$case !== "messages") continue;
      handles.push(...response.value.messages.map(({ receiptHandle }) => receiptHandle));
    }
  }
  return handles;
}

test("a consumer that acks and does not read its results is not read from without end", async () => {
  const t = await scenario();
  const stream = await consumer(t);
  stream.stream.pause();
  // Some 50 KiB a request, and ten times that an answer: windows and buffers hold a few dozen (96 with Node 24).
  const requestCount = 200;
  const handles = Array.from({ length: 1_000 }, () => "x".repeat(50));
  const { writtenCount, writing } = await writeUntilHeldUp(stream.stream, requestCount, () =>
    stream.stream.write({ request: { $case: "ack", value: { receiptHandles: handles } } }),
  );
  expect(writtenCount).toBeGreaterThan(10);
  expect(writtenCount).toBeLessThan(170);
  // The server is fine, and goes on where it stopped when the caller reads.
  expect(await t.counts()).toBe("0/0/0");
  stream.stream.resume();
  await writing;
  stream.stream.halfClose();
  expect(await stream.ended).toBeUndefined();
  let resultCount = 0;
  for (const { response } of stream.stream.responses) {
    if (response?.$case === "results") resultCount += response.value.results.length;
  }
  expect(resultCount).toBe(requestCount * 1_000);
});

test("a producer of bad entries that does not read its results is not read from without end", async () => {
  const t = await scenario();
  const stream = t.produce();
  stream.pause();
  // Two bytes in, some 200 bytes out.
  const entries = Array.from({ length: 1_000 }, () => ({}));
  const { writtenCount, writing } = await writeUntilHeldUp(stream, 1_000, () =>
    stream.write({ queue: t.queue, entries }),
  );
  expect(writtenCount).toBeLessThan(900);
  stream.cancel();
  await stream.ended;
  await Promise.race([writing, new Promise((resolve) => setTimeout(resolve, 100))]);
  expect(await t.counts()).toBe("0/0/0");
});

test("a stream that is not read from notices that its caller is gone, and gives back what it holds", async () => {
  const t = await scenario({ visibilityTimeoutMs: 600_000 });
  await t.send("work");
  const stream = await consumer(t, { client: t.newClient() });
  await stream.stream.until(() => stream.stream.responses.length > 0);
  stream.stream.pause();
  const handles = Array.from({ length: 1_000 }, () => "x".repeat(50));
  await writeUntilHeldUp(stream.stream, 120, () =>
    stream.stream.write({ request: { $case: "ack", value: { receiptHandles: handles } } }),
  );
  expect(await t.counts()).toBe("0/1/0");
  stream.stream.cancel();
  await stream.ended;
  await t.settle();
  await t.settle();
  expect(await t.counts()).toBe("1/0/0");
});

function asking($case: "ack" | "nack" | "reject" | "hold", receiptHandles: string[]): Request {
  switch ($case) {
    case "ack":
      return { $case, value: { receiptHandles } };
    case "nack":
      return { $case, value: { receiptHandles } };
    case "hold":
      return { $case, value: { receiptHandles } };
    case "reject":
      return { $case, value: { receiptHandles, reason: "bad" } };
  }
}

test("a handle longer than any is refused before it is repeated in an answer", async () => {
  const t = await scenario({ visibilityTimeoutMs: 600_000 });
  await t.send("work");
  for (const $case of ["ack", "nack", "reject", "hold"] as const) {
    const longest = await consumer(t);
    longest.stream.write({ request: asking($case, ["x".repeat(1_024)]) });
    await longest.stream.until(() => longest.stream.responses.length > 1);
    expect(longest.stream.isEnded).toBe(false);
    longest.stream.write({ request: asking($case, ["x", "x".repeat(1_025)]) });
    expect(await longest.ended, $case).toMatchObject({
      code: "INVALID_ARGUMENT",
      reason: "INVALID_PARAMETER",
      violations: [`${$case}.receipt_handles`],
    });
    await t.settle();
    expect(await t.counts()).toBe("1/0/0");
  }
});

test("a start that lists more attribute names than there can be use for is refused", async () => {
  const t = await scenario();
  const stream = t.consume();
  const messageAttributeNames = Array.from({ length: 101 }, (_, index) => `a${index}`);
  stream.write({ request: { $case: "start", value: { queue: t.queue, messageAttributeNames } } });
  expect(await stream.ended).toMatchObject({
    code: "INVALID_ARGUMENT",
    violations: ["start.message_attribute_names"],
  });
});

test("a refused reject leaves the message with the stream: renewed, and given back when it ends", async () => {
  const t = await scenario();
  await t.send("work");
  const stream = await consumer(t, { messages: 1, visibilityTimeoutMs: 9_000 });
  const [message] = await stream.messages();
  stream.deadLetter([message?.handle ?? ""], "bad");
  expect(await stream.outcomes()).toEqual(["FAILED_PRECONDITION DLQ_NOT_FOUND"]);
  await t.advance(30_000);
  expect(await t.counts()).toBe("0/1/0");
  expect(await stream.messages()).toEqual([]);
  stream.stream.cancel();
  await stream.ended;
  await t.settle();
  expect(await t.peek()).toEqual(["visible work x1"]);
});

test("a refused reject that was answered only after the stream had ended gives the message back", async () => {
  const t = await scenario({ visibilityTimeoutMs: 600_000 });
  await t.send("work");
  const stream = await consumer(t, { messages: 1 });
  const [message] = await stream.messages();
  stream.deadLetter([message?.handle ?? ""], "bad");
  stream.stream.halfClose();
  expect(await stream.ended).toBeUndefined();
  expect(await t.counts()).toBe("1/0/0");
});

test("acks refused at the server's bound leave their messages with the stream", async () => {
  const t = await scenario({ visibilityTimeoutMs: 600_000, config: { commandsPendingMax: 4 } });
  for (let batch = 0; batch < 10; batch += 1)
    await t.sendBatch(Array.from({ length: 10 }, () => "work"));
  const stream = await consumer(t, { messages: 100 });
  const handles = await holdAll(stream, 100);
  const before = stream.stream.responses.length;
  for (const handle of handles) stream.ack(handle);
  const results = () =>
    stream.stream.responses
      .slice(before)
      .flatMap(({ response }) => (response?.$case === "results" ? response.value.results : []));
  await stream.stream.until(() => results().length === 100);
  const deletedCount = results().filter(({ result }) => result?.$case === "deleted").length;
  expect(deletedCount).toBeGreaterThan(0);
  expect(deletedCount).toBeLessThan(100);
  expect(await t.counts()).toBe(`0/${100 - deletedCount}/0`);
  stream.stream.halfClose();
  expect(await stream.ended).toBeUndefined();
  expect(await t.counts()).toBe(`${100 - deletedCount}/0/0`);
});

test("a stream to a missing queue ends at once, also without credit", async () => {
  const t = await scenario({ create: "none" });
  const stream = await consumer(t, { messages: 0 });
  expect(await stream.ended).toMatchObject(notFound);
});

test.each(["credit", "ack", "nack", "renewal"])(
  "a stream whose queue was deleted and created again ends, noticed by its %s, and takes nothing of the new one",
  async (by) => {
    const t = await scenario();
    await t.send("old");
    const stream = await consumer(t, { messages: 1, visibilityTimeoutMs: 9_000 });
    const [message] = await stream.messages();
    const handle = message?.handle ?? "";
    await t.deleteQueue();
    await t.createQueue(t.queue);
    await t.send("new");
    await t.settle();
    expect(stream.stream.isEnded).toBe(false);
    if (by === "credit") stream.credit(1);
    else if (by === "ack") stream.ack(handle);
    else if (by === "nack") stream.nack([handle]);
    else await t.advance(3_000);
    expect(await stream.ended).toMatchObject(notFound);
    expect(await t.peek()).toEqual(["visible new x0"]);
  },
);

test("a stream that waits for its queue ends when that is deleted, and leaves the new one alone", async () => {
  const t = await scenario();
  const stream = await consumer(t);
  await t.deleteQueue();
  await t.createQueue(t.queue);
  await t.send("new");
  expect(await stream.ended).toMatchObject(notFound);
  expect(await t.peek()).toEqual(["visible new x0"]);
});

test("a lease that reaches its 12 h between two renewals is reported lost then, not with the next", async () => {
  const t = await scenario();
  await t.send("endless");
  // Renewed every 100 min, so at 11 h 40 min and at 13 h 20 min.
  const stream = await consumer(t, { messages: 1, visibilityTimeoutMs: 5 * hour });
  const [message] = await stream.messages();
  for (let round = 0; round < 7; round += 1) await t.skip((5 * hour) / 3);
  expect(await t.counts()).toBe("0/1/0");
  await t.skip(hour / 3 - 1_000);
  expect(await stream.lost()).toEqual([]);
  expect(await t.counts()).toBe("0/1/0");
  await t.advance(1_000);
  expect(await stream.lost()).toEqual([message?.handle]);
  expect(await t.counts()).toBe("1/0/0");
});

test("a stream that holds thousands gives all of them back: when reset, and when the server stops in the middle of it", async () => {
  const t = await scenario({ visibilityTimeoutMs: 600_000 });
  const count = 5_000;
  await fill(t, count);
  const reset = await consumer(t, { messages: count, client: t.newClient() });
  await holdAll(reset, count);
  expect(await t.counts()).toBe(`0/${count}/0`);
  reset.stream.cancel();
  await reset.ended;
  await t.settle();
  for (let round = 0; round < 50 && (await t.counters()).inFlight > 0; round += 1) await t.settle();
  expect(await t.counts()).toBe(`${count}/0/0`);

  const [first, second, gone] = [
    await consumer(t, { messages: 2_000 }),
    await consumer(t, { messages: 1_500 }),
    await consumer(t, { messages: 1_500, client: t.newClient() }),
  ];
  await holdAll(first, 2_000);
  await holdAll(second, 1_500);
  await holdAll(gone, 1_500);
  expect(await t.counts()).toBe(`0/${count}/0`);
  gone.stream.cancel();
  const stopped = t.stop();
  for (const { ended } of [first, second]) {
    expect(await ended).toMatchObject({ code: "UNAVAILABLE", reason: "SHUTTING_DOWN" });
  }
  await stopped;
  await t.start();
  expect(await t.counts()).toBe(`${count}/0/0`);
});

test("hundreds of streams at a time, ended in every way, leave no listener behind and no warning", async () => {
  const signals = new Set<AbortSignal>();
  const addEventListener = AbortSignal.prototype.addEventListener;
  AbortSignal.prototype.addEventListener = function (
    this: AbortSignal,
    ...rest: Parameters<typeof addEventListener>
  ): void {
    signals.add(this);
    addEventListener.apply(this, rest);
  } as typeof addEventListener;
  const warnings: Error[] = [];
  const warn = (warning: Error): void => {
    warnings.push(warning);
  };
  process.on("warning", warn);
  try {
    const t = await scenario();
    const listenerCount = (): number =>
      [...signals].reduce((sum, signal) => sum + getEventListeners(signal, "abort").length, 0);
    const before = listenerCount();
    const ends: ((stream: Duplex<"consume"> | ProduceCall) => void)[] = [
      (stream) => stream.halfClose(),
      (stream) => stream.cancel(),
      (stream) => stream.writeBytes(Buffer.from([0x12, 0x02, 0x08])),
    ];
    const streams: (Duplex<"consume"> | ProduceCall)[] = [];
    for (let index = 0; index < 250; index += 1) {
      const producer = t.produce();
      producer.write({ queue: index % 5 === 0 ? "other" : t.queue });
      const stream = t.consume();
      const queue = index % 5 === 0 ? "other" : t.queue;
      stream.write({ request: { $case: "start", value: { queue, credit: { messages: 1 } } } });
      streams.push(producer, stream);
    }
    await t.settle();
    expect(listenerCount()).toBeGreaterThan(before + 300);
    streams.forEach((stream, index) => {
      ends[Math.floor(index / 2) % 3]?.(stream);
    });
    for (const { ended } of streams) await ended;
    await t.settle();
    expect(listenerCount()).toBe(before);
    expect(warnings).toEqual([]);
  } finally {
    process.off("warning", warn);
    AbortSignal.prototype.addEventListener = addEventListener;
  }
});
