// FIFO queues through the client, on a real server: that everything which joins, repeats and runs side by side here keeps the
// order there.

import { beforeEach, describe, expect, test } from "vitest";
import type { ForebayClient, MessageOptions, Queue, ReceivedMessage } from "../src/index.js";
import { CutLine } from "./support/cut-line.js";
import { RealServer } from "./support/real-server.js";

interface Started {
  readonly server: RealServer;
  readonly client: ForebayClient;
  readonly queue: Queue;
}

async function start(): Promise<Started> {
  const server = await RealServer.start();
  const client = server.connect();
  const attributes = { fifoQueue: true, visibilityTimeoutMs: 20_000 };
  const { queue } = await client.createQueue("orders.fifo", { attributes });
  return { server, client, queue };
}

const groups = ["a", "b", "c", "d", "e"];

/** `a-0`, `b-0` … `a-1` …: the messages of several groups in turn. */
function bodies(perGroup: number): readonly { readonly body: string; readonly groupId: string }[] {
  return Array.from({ length: perGroup }, (_, index) =>
    groups.map((groupId) => ({ body: `${groupId}-${index}`, groupId })),
  ).flat();
}

/** What was processed of each group must be what was sent to it, in that order, and each once. */
function expectOrder(processed: readonly string[], perGroup: number): void {
  for (const group of groups) {
    const own = processed.filter((text) => text.startsWith(`${group}-`));
    expect(own).toEqual(Array.from({ length: perGroup }, (_, index) => `${group}-${index}`));
  }
}

async function receiveAll(queue: Queue): Promise<ReceivedMessage[]> {
  const all: ReceivedMessage[] = [];
  for (;;) {
    const messages = await queue.receive({ maxMessages: 10, waitTimeMs: 0 });
    if (messages.length === 0) return all;
    all.push(...messages);
    await Promise.all(messages.map((message) => message.delete()));
  }
}

test("sends that nobody waited for are stored in the order they were made", async () => {
  const { queue } = await start();
  const sends = bodies(40).map(({ body, groupId }, index) => {
    const options = { groupId, dedupId: body };
    if (index % 7 === 3) return queue.send(body, { ...options, timeoutMs: 20_000 });
    if (index % 11 !== 5) return queue.send(body, options);
    return queue.sendBatch([{ body, ...options }]).then(({ successful }) => successful[0]);
  });
  const sent = await Promise.all(sends);
  const numbers = sent.map((result) => result?.sequenceNumber ?? "");
  expect(numbers).toEqual([...numbers].sort());
  expect(new Set(numbers).size).toBe(200);
  const received = await receiveAll(queue);
  expectOrder(
    received.map(({ text }) => text),
    40,
  );
  expect(received[0]).toMatchObject({ groupId: "a", dedupId: "a-0", sequenceNumber: numbers[0] });
});

test("a duplicate answers the first message, alone and in a batch", async () => {
  const { queue } = await start();
  const options = { groupId: "g", dedupId: "d" };
  const first = await queue.send("x", options);
  expect(first).toMatchObject({
    duplicate: false,
    sequenceNumber: expect.stringMatching(/^\d{20}$/),
  });
  const again = { ...first, duplicate: true };
  expect(await queue.send("x", options)).toEqual(again);
  expect((await queue.sendBatch([{ body: "x", ...options }])).successful).toEqual([
    { id: "0", ...again },
  ]);
  expect((await queue.attributes()).counters).toMatchObject({ sentCount: 1, deduplicatedCount: 2 });
  await expect(queue.send("x", { dedupId: "e" })).rejects.toMatchObject({
    reason: "MISSING_PARAMETER",
    fieldViolations: [{ field: "group_id" }],
  });
});

test("a repeated attempt gets the same messages and handles, until one of them changed", async () => {
  const { queue } = await start();
  await queue.sendBatch(["1", "2"].map((body) => ({ body, groupId: "g", dedupId: body })));
  const attempt = { maxMessages: 10, waitTimeMs: 0, receiveAttemptId: "attempt-1" };
  const first = await queue.receive(attempt);
  const second = await queue.receive(attempt);
  expect(second.map(({ receiptHandle }) => receiptHandle)).toEqual(
    first.map(({ receiptHandle }) => receiptHandle),
  );
  expect(second).toMatchObject([{ receiveCount: 1 }, { receiveCount: 1 }]);
  await first[0]?.delete();
  await expect(queue.receive(attempt)).rejects.toMatchObject({ reason: "RECEIVE_ATTEMPT_STALE" });
});

test("workers process each group in order and each message once, whatever fails", async () => {
  const { client, queue } = await start();
  const perGroup = 20;
  await Promise.all(
    bodies(perGroup).map(({ body, groupId }) => queue.send(body, { groupId, dedupId: body })),
  );
  const processed: string[] = [];
  const failed = new Set<string>();
  const running = new Set<string | undefined>();
  const sideBySide: string[] = [];
  const handler = async ({ text, groupId }: ReceivedMessage): Promise<void> => {
    if (running.has(groupId)) sideBySide.push(text);
    running.add(groupId);
    await new Promise((resolve) => setTimeout(resolve, 1));
    running.delete(groupId);
    // Every third message fails the first time.
    if (Number(text.slice(2)) % 3 === 1 && !failed.has(text)) {
      failed.add(text);
      throw new Error("not now");
    }
    processed.push(text);
  };
  const options = { concurrency: 4, waitTimeMs: 200, backoff: { initialMs: 0, maxMs: 20 } };
  const workers = [queue, client.queue("orders.fifo")].map((one) => one.work(handler, options));
  await until(() => processed.length >= perGroup * groups.length);
  await Promise.all(workers.map((worker) => worker.stop()));
  expectOrder(processed, perGroup);
  expect(sideBySide).toEqual([]);
  expect(failed.size).toBeGreaterThan(20);
  expect((await queue.attributes()).counters).toMatchObject({ storedMessageCount: 0 });
});

test("a consumer gets each group in order, also when it gives messages back", async () => {
  const { queue } = await start();
  const perGroup = 20;
  await Promise.all(
    bodies(perGroup).map(({ body, groupId }) => queue.send(body, { groupId, dedupId: body })),
  );
  const processed: string[] = [];
  const failed = new Set<string>();
  const settled: Promise<unknown>[] = [];
  for await (const message of queue.consume({ maxMessages: 30 })) {
    const { text } = message;
    // Nothing here is awaited before the next is taken: what follows a nack must not be there to be taken.
    if (Number(text.slice(2)) % 3 === 1 && !failed.has(text)) {
      failed.add(text);
      settled.push(failed.size % 2 === 0 ? message.nack() : message.reject({ reason: "not_now" }));
      continue;
    }
    processed.push(text);
    settled.push(message.ack());
    if (processed.length === perGroup * groups.length) break;
  }
  await Promise.all(settled);
  expectOrder(processed, perGroup);
  expect((await queue.attributes()).counters).toMatchObject({ storedMessageCount: 0 });
});

test("messages a consumer has taken and that are lost with an earlier one come again after it", async () => {
  const { queue } = await start();
  await queue.sendBatch(["1", "2", "3"].map((body) => ({ body, groupId: "g", dedupId: body })));
  const consumer = queue.consume();
  const { value: first } = await consumer.next();
  const { value: second } = await consumer.next();
  await first?.nack();
  await until(() => second?.isLost === true);
  await expect(second?.ack()).rejects.toMatchObject({ reason: "RECEIPT_HANDLE_EXPIRED" });
  const texts: (string | undefined)[] = [];
  while (texts.length < 3) {
    const { value: message } = await consumer.next();
    texts.push(message?.text);
    await message?.ack();
  }
  expect(texts).toEqual(["1", "2", "3"]);
  await consumer.close();
});

describe("over a line that is cut again and again", () => {
  const perGroup = 100;
  let started: Started;
  let queue: Queue;
  let cutting: Promise<void>;

  beforeEach(async () => {
    started = await start();
    const line = await CutLine.open(started.server.endpoint);
    const retry = { initialMs: 10, maxMs: 50 };
    queue = started.server.connect({ endpoint: line.endpoint, retry }).queue("orders.fifo");
    cutting = (async () => {
      for (let cut = 0; cut < 5; cut += 1) {
        await new Promise((resolve) => setTimeout(resolve, 40));
        line.cut();
      }
    })();
  });

  async function expectAll(): Promise<void> {
    await cutting;
    expect((await started.queue.attributes()).counters.sentCount).toBe(perGroup * groups.length);
    const received = await receiveAll(started.queue);
    expectOrder(
      received.map(({ text }) => text),
      perGroup,
    );
  }

  /** Slowly enough for the cuts to find something under way. */
  async function sendAll(
    send: (body: string, options: MessageOptions) => Promise<unknown>,
  ): Promise<void> {
    const sends: Promise<unknown>[] = [];
    for (const { body, groupId } of bodies(perGroup)) {
      const sent = send(body, { groupId, dedupId: body });
      // Whoever fails is told below, after all have left.
      sent.catch(() => undefined);
      sends.push(sent);
      if (sends.length % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await Promise.all(sends);
  }

  test("what a producer sends is stored once and in order", async () => {
    const producer = queue.producer({ maxInFlight: 50 });
    await sendAll((body, options) => producer.send(body, options));
    await producer.close();
    await expectAll();
  }, 60_000);

  test("what is sent, joined or alone, is stored once and in order", async () => {
    await sendAll((body, options) => queue.send(body, options));
    await expectAll();
  }, 60_000);
});

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}
