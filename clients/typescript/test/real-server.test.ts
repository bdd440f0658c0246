// The client on a real server: that both mean the same by the contract, and that nothing is lost over a restart.

import { expect, test } from "vitest";
import { type ConsumedMessage, ForebayError, type Queue, Reject } from "../src/index.js";
import { RealServer } from "./support/real-server.js";

async function start(): Promise<{ readonly server: RealServer; readonly queue: Queue }> {
  const server = await RealServer.start();
  const { queue } = await server.connect().createQueue("orders");
  return { server, queue };
}

test("a message comes back as it was sent", async () => {
  const { queue } = await start();
  const attributes = { kind: "order", count: 3, raw: new Uint8Array([1, 2]) };
  const sent = await queue.send("päy #7", { attributes, traceHeader: "Root=1", groupId: "g" });
  const [message] = await queue.receive({ waitTimeMs: 0 });
  expect(message).toMatchObject({
    messageId: sent.messageId,
    body: "päy #7",
    md5OfBody: sent.md5OfBody,
    receiveCount: 1,
    traceHeader: "Root=1",
    groupId: "g",
    attributes: {
      kind: { type: "String", value: "order" },
      count: { type: "Number", value: "3" },
      raw: { type: "Binary" },
    },
  });
  expect([...(message?.attributes["raw"]?.value ?? [])]).toEqual([1, 2]);
  expect(await message?.delete()).toBe("DELETED");
  expect(await message?.delete()).toBe("ALREADY_GONE");
  expect((await queue.attributes()).counters).toMatchObject({
    storedMessageCount: 0,
    sentCount: 1,
    receivedCount: 1,
    deletedCount: 1,
  });
});

test("errors carry the server's details", async () => {
  const { server, queue } = await start();
  const missing = server.connect().queue("missing");
  const notFound = await missing.send("x").catch((error: unknown) => error);
  expect(notFound).toBeInstanceOf(ForebayError);
  expect(notFound).toMatchObject({
    status: "NOT_FOUND",
    reason: "QUEUE_NOT_FOUND",
    resource: { name: "missing" },
  });
  const invalid = await queue
    .send("x", { delayMs: 900_001, attributes: { "aws.x": "1" } })
    .catch((error: unknown) => error);
  expect(invalid).toMatchObject({ reason: "INVALID_PARAMETER", status: "INVALID_ARGUMENT" });
  expect((invalid as ForebayError).fieldViolations).toHaveLength(2);
  // In a batch, each entry has its own.
  const [good, bad] = await Promise.allSettled([queue.send("fine"), queue.send("\u0000")]);
  expect(good.status).toBe("fulfilled");
  expect(bad).toMatchObject({ reason: { reason: "INVALID_MESSAGE_CONTENTS" } });
  expect(await missing.exists()).toBe(false);
});

test("settings are changed, reset and refused by etag", async () => {
  const { queue } = await start();
  const before = await queue.attributes();
  const changed = await queue.setAttributes({ visibilityTimeoutMs: 1_500, maxInFlight: 5 });
  expect(changed.attributes).toMatchObject({ visibilityTimeoutMs: 1_500, maxInFlight: 5 });
  const stale = queue.setAttributes({ delayMs: 1 }, { etag: before.etag });
  await expect(stale).rejects.toMatchObject({ reason: "ETAG_MISMATCH" });
  const reset = await queue.setAttributes({ maxInFlight: null, delayMs: 10 });
  expect(reset.attributes).toMatchObject({
    visibilityTimeoutMs: 1_500,
    maxInFlight: 120_000,
    delayMs: 10,
  });
});

test("a thousand concurrent sends and deletes each get their own answer", async () => {
  const { queue } = await start();
  const bodies = Array.from({ length: 1_000 }, (_, index) => `message ${index}`);
  const sent = await Promise.all(bodies.map((body) => queue.send(body)));
  expect(new Set(sent.map(({ messageId }) => messageId)).size).toBe(1_000);
  const idOf = new Map(sent.map(({ messageId }, index) => [messageId, bodies[index]]));
  const received = new Set<string>();
  while (received.size < 1_000) {
    const messages = await queue.receive({ maxMessages: 10, waitTimeMs: 0 });
    for (const { messageId, text } of messages) {
      expect(text).toBe(idOf.get(messageId));
      received.add(messageId);
    }
    await Promise.all(messages.map((message) => message.delete()));
  }
  expect((await queue.attributes()).counters.storedMessageCount).toBe(0);
});

test("an aborted poll swallows no message", async () => {
  const { queue } = await start();
  const abort = new AbortController();
  const poll = queue.receive({ waitTimeMs: 10_000, signal: abort.signal });
  setTimeout(() => abort.abort(new Error("enough")), 100);
  await expect(poll).rejects.toThrow("enough");
  await queue.send("x");
  expect(await queue.receive({ waitTimeMs: 1_000 })).toMatchObject([
    { text: "x", receiveCount: 1 },
  ]);
});

test("a producer's results are those of its messages", async () => {
  const { queue } = await start();
  await using producer = queue.producer({ maxInFlight: 100 });
  const sends: Promise<unknown>[] = [];
  for (let index = 0; index < 2_000; index += 1) {
    await producer.ready();
    sends.push(producer.send(`${index}`, { attributes: { index } }));
  }
  await Promise.all(sends);
  await expect(producer.send("\u0000")).rejects.toMatchObject({
    reason: "INVALID_MESSAGE_CONTENTS",
  });
  const { counters } = await queue.attributes();
  expect(counters.visibleMessageCount).toBe(2_000);
});

test("a consumer's credit of messages and of bytes never runs dry, attributes and all", async () => {
  const { queue } = await start();
  const count = 1_000;
  await Promise.all(
    Array.from({ length: count }, (_, index) =>
      queue.send("x".repeat(1 + (index % 300)), { attributes: { index, name: "ä".repeat(20) } }),
    ),
  );
  let seen = 0;
  const acks: Promise<unknown>[] = [];
  for await (const message of queue.consume({ maxMessages: 30, maxBytes: 1_000 })) {
    acks.push(message.ack());
    seen += 1;
    if (seen === count) break;
  }
  await Promise.all(acks);
  expect((await queue.attributes()).counters).toMatchObject({
    storedMessageCount: 0,
    receivedCount: count,
  });
});

test("leaving a consumer's loop gives the rest back at once", async () => {
  const { queue } = await start();
  await Promise.all(["1", "2", "3"].map((body) => queue.send(body)));
  for await (const message of queue.consume()) {
    await message.ack();
    break;
  }
  expect((await queue.attributes()).counters).toMatchObject({
    visibleMessageCount: 2,
    inFlightMessageCount: 0,
  });
});

test("nack delays, reject keeps its reason", async () => {
  const { queue } = await start();
  await Promise.all(["later", "never"].map((body) => queue.send(body)));
  const consumer = queue.consume();
  for (let count = 0; count < 2; count += 1) {
    const { value: message } = await consumer.next();
    if (message?.text === "later") await message.nack({ delayMs: 600_000 });
    else {
      await message?.reject({ reason: "bad_invoice", error: new Error("no total"), delayMs: 1 });
    }
  }
  const again = await consumer.next();
  expect(again.value).toMatchObject({
    text: "never",
    receiveCount: 2,
    rejection: { reason: "bad_invoice", error: expect.stringContaining("no total") },
  });
  await consumer.close();
});

test("a worker deletes, rejects with a reason and renews leases", async () => {
  const { queue } = await start();
  await Promise.all(["fine", "long", "bad"].map((body) => queue.send(body)));
  const runs: string[] = [];
  const worker = queue.work(
    async ({ text }) => {
      runs.push(text);
      if (text === "bad") throw new Reject("bad_invoice", { cause: "no total" });
      if (text === "long") await new Promise((resolve) => setTimeout(resolve, 2_500));
    },
    { visibilityTimeoutMs: 1_000, backoff: { initialMs: 600_000, maxMs: 600_000 } },
  );
  while ((await queue.attributes()).counters.deletedCount < 2) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await worker.stop();
  expect(runs.sort()).toEqual(["bad", "fine", "long"]);
  for await (const message of queue.peek()) {
    expect(message).toMatchObject({
      text: "bad",
      // There is no dead-letter queue, so that it waits for its backoff.
      state: "DELAYED",
      rejection: { reason: "bad_invoice", error: "no total" },
    });
  }
});

test("over restarts of the server, nothing sent is lost and nothing is processed twice by one worker", async () => {
  const { server, queue } = await start();
  const processed = new Map<string, number>();
  const worker = queue.work(
    async ({ text }) => {
      processed.set(text, (processed.get(text) ?? 0) + 1);
      await new Promise((resolve) => setTimeout(resolve, 5));
    },
    { concurrency: 20 },
  );
  const count = 2_000;
  let next = 0;
  async function sender(): Promise<void> {
    while (next < count) {
      next += 1;
      await queue.send(`${next}`);
    }
  }
  const senders = Promise.all(Array.from({ length: 50 }, sender));
  for (let restart = 0; restart < 3; restart += 1) {
    await new Promise((resolve) => setTimeout(resolve, 150));
    await server.stop();
    await server.start();
  }
  await senders;
  while ((await queue.attributes()).counters.storedMessageCount > 0) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await worker.stop();
  // The request ids kept repeated sends from being stored twice; the leases kept messages in hand.
  expect((await queue.attributes()).counters.sentCount).toBe(count);
  expect(processed.size).toBe(count);
  expect([...processed.values()].filter((runs) => runs > 1)).toEqual([]);
}, 60_000);

test("a consumer goes on over a restart with what it holds: acks, nacks and leases count, and nothing comes twice", async () => {
  const { server, queue } = await start();
  const bodies = ["acked", "nacked", "meanwhile", "kept", "unseen"];
  for (const body of bodies) await queue.send(body);
  const consumer = queue.consume({ visibilityTimeoutMs: 6_000, maxMessages: 5 });
  const next = async () => (await consumer.next()).value as ConsumedMessage;
  const [acked, nacked, meanwhile, kept] = [await next(), await next(), await next(), await next()];
  expect([acked, nacked, meanwhile, kept].map(({ text }) => text)).toEqual(bodies.slice(0, 4));
  await server.stop();
  const settledMeanwhile = meanwhile.ack();
  await server.start();
  expect(await settledMeanwhile).toBe("DELETED");
  expect(await acked.ack()).toBe("DELETED");
  // What had arrived and was not handed out is, as it was.
  expect(await next()).toMatchObject({ text: "unseen", receiveCount: 1, isLost: false });
  // Longer than a lease: the new stream renews it.
  await new Promise((resolve) => setTimeout(resolve, 7_000));
  expect(await queue.receive()).toEqual([]);
  expect(await nacked.nack()).toBeInstanceOf(Date);
  const again = await next();
  expect(again).toMatchObject({ text: "nacked", receiveCount: 2 });
  await again.ack();
  expect(kept.isLost).toBe(false);
  await consumer.close();
  // The end of the stream gave the others back.
  const rest = await queue.receive({ maxMessages: 10 });
  expect(rest.map(({ text }) => text)).toEqual(["kept", "unseen"]);
}, 60_000);
