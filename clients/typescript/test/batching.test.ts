// Calls made at the same time leave together, each with its own result.

import { status } from "@grpc/grpc-js";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type {
  DeleteMessageBatchRequest,
  SendMessageBatchRequest,
  SendMessageBatchRequestEntry,
  SendMessageRequest,
} from "../gen/forebay/queue/v1/queue_service.js";
import { Batcher } from "../src/batcher.js";
import { DeadlineError, ForebayClient } from "../src/index.js";
import { FakeServer } from "./support/fake-server.js";

let server: FakeServer;
let client: ForebayClient;

beforeEach(async () => {
  server = await FakeServer.start();
  client = new ForebayClient({ endpoint: server.endpoint });
});

afterEach(async () => {
  await client.close();
  server.kill();
});

const batchSizes = (): number[] =>
  server
    .callsOf<SendMessageBatchRequest>("sendMessageBatch")
    .map(({ request }) => request.entries.length);

describe("sends", () => {
  test("made at the same time leave in batches of ten, in order", async () => {
    const queue = client.queue("orders");
    const bodies = Array.from({ length: 25 }, (_, index) => `message ${index}`);
    const results = await Promise.all(bodies.map((body) => queue.send(body)));
    expect(batchSizes()).toEqual([10, 10, 5]);
    expect(server.bodies()).toEqual(bodies);
    // Each promise got the id of its own message.
    for (const [index, { messageId }] of results.entries()) {
      expect(server.stored.get(messageId)?.message.body?.value).toBe(bodies[index]);
    }
  });

  test("through two handles of one queue share batches; other queues do not", async () => {
    await Promise.all([
      client.queue("orders").send("1"),
      client.queue("orders").send("2"),
      client.queue("invoices").send("3"),
    ]);
    expect(batchSizes()).toEqual([2]);
    expect(server.callsOf("sendMessage")).toHaveLength(1);
  });

  test("made one after another leave alone, without delay", async () => {
    const queue = client.queue("orders");
    for (let count = 0; count < 3; count += 1) await queue.send("x");
    expect(batchSizes()).toEqual([]);
    expect(server.callsOf("sendMessage")).toHaveLength(3);
  });

  test("never sum to more than 1 MiB in one batch", async () => {
    const queue = client.queue("orders");
    const half = "x".repeat(524_288);
    await Promise.all([
      queue.send(half),
      queue.send(half),
      queue.send("one byte more"),
      queue.send(half, { attributes: { a: "1" } }),
    ]);
    expect(batchSizes()).toEqual([2, 2]);
  });

  test("that are refused do not fail their neighbours", async () => {
    server.override("sendMessageBatch", ({ entries }: SendMessageBatchRequest) => ({
      successful: entries.slice(1).map((entry) => server.store(entry)),
      failed: [
        {
          id: entries[0]?.id ?? "",
          code: status.INVALID_ARGUMENT,
          reason: "INVALID_MESSAGE_CONTENTS",
          message: "a character",
          senderFault: true,
        },
      ],
      replayed: false,
    }));
    const queue = client.queue("orders");
    const [bad, good] = await Promise.allSettled([queue.send("bad"), queue.send("good")]);
    expect(bad).toMatchObject({
      status: "rejected",
      reason: { reason: "INVALID_MESSAGE_CONTENTS", status: "INVALID_ARGUMENT" },
    });
    expect(good).toMatchObject({ status: "fulfilled" });
    expect(server.bodies()).toEqual(["good"]);
  });

  test("all fail with the batch", async () => {
    server.fail("sendMessageBatch", { code: status.NOT_FOUND, reason: "QUEUE_NOT_FOUND" });
    const queue = client.queue("orders");
    const sends = await Promise.allSettled([queue.send("1"), queue.send("2")]);
    expect(sends).toMatchObject([
      { reason: { reason: "QUEUE_NOT_FOUND" } },
      { reason: { reason: "QUEUE_NOT_FOUND" } },
    ]);
  });

  test("are repeated as the same batch when the answer is lost", async () => {
    server.fail("sendMessageBatch", { code: status.UNAVAILABLE });
    const queue = client.queue("orders");
    await Promise.all([queue.send("1"), queue.send("2")]);
    const calls = server.callsOf<SendMessageBatchRequest>("sendMessageBatch");
    expect(calls).toHaveLength(2);
    expect(calls[1]?.request).toEqual(calls[0]?.request);
    expect(calls[0]?.request.requestId).not.toBe("");
  });

  test("that are aborted before they leave do not leave", async () => {
    const queue = client.queue("orders");
    const abort = new AbortController();
    const aborted = queue.send("aborted", { signal: abort.signal });
    const kept = queue.send("kept");
    await Promise.resolve();
    abort.abort(new Error("changed my mind"));
    await expect(aborted).rejects.toThrow("changed my mind");
    await kept;
    expect(server.bodies()).toEqual(["kept"]);
  });

  test("with a deadline or request id of their own leave alone", async () => {
    const queue = client.queue("orders");
    await Promise.all([
      queue.send("1", { timeoutMs: 5_000 }),
      queue.send("2", { requestId: "mine" }),
      queue.send("3"),
    ]);
    expect(server.callsOf("sendMessage")).toHaveLength(3);
  });

  test("leave alone when batching is off", async () => {
    await using single = new ForebayClient({ endpoint: server.endpoint, batching: false });
    const queue = single.queue("orders");
    await Promise.all([queue.send("1"), queue.send("2")]);
    expect(server.callsOf("sendMessage")).toHaveLength(2);
  });

  test("to a FIFO queue go one batch at a time, so that their order holds", async () => {
    let inFlight = 0;
    let inFlightMax = 0;
    server.override("sendMessageBatch", async ({ entries }: SendMessageBatchRequest) => {
      inFlight += 1;
      inFlightMax = Math.max(inFlightMax, inFlight);
      await new Promise((resolve) => setTimeout(resolve, 10));
      inFlight -= 1;
      return { successful: entries.map((entry) => server.store(entry)), failed: [] };
    });
    const queue = client.queue("orders.fifo");
    const bodies = Array.from({ length: 30 }, (_, index) => `${index}`);
    await Promise.all(bodies.map((body) => queue.send(body, { groupId: "g", dedupId: body })));
    expect(inFlightMax).toBe(1);
    expect(server.bodies()).toEqual(bodies);
  });

  test("to a FIFO queue keep their order, those that leave alone and batches too", async () => {
    const stored: (string | Uint8Array | undefined)[] = [];
    let delayMs = 40;
    const slowly = async (entries: readonly SendMessageBatchRequestEntry[]) => {
      // The later a call, the faster its answer: side by side they would overtake each other.
      delayMs -= 8;
      await new Promise((resolve) => setTimeout(resolve, delayMs));
      stored.push(...entries.map(({ body }) => body?.value));
      return entries.map((entry) => server.store(entry));
    };
    server.override("sendMessage", async (request: SendMessageRequest) =>
      slowly([{ ...request, id: "" }]).then(([answer]) => answer),
    );
    server.override("sendMessageBatch", async ({ entries }: SendMessageBatchRequest) => ({
      successful: await slowly(entries),
      failed: [],
    }));
    const queue = client.queue("orders.fifo");
    const fifo = (body: string) => ({ groupId: "g", dedupId: body });
    await Promise.all([
      queue.send("1", fifo("1")),
      queue.send("2", fifo("2")),
      queue.send("3", { ...fifo("3"), timeoutMs: 5_000 }),
      queue.sendBatch(["4", "5"].map((body) => ({ body, ...fifo(body) }))),
      queue.send("6", { ...fifo("6"), requestId: "mine" }),
      queue.send("7", fifo("7")),
    ]);
    expect(stored).toEqual(["1", "2", "3", "4", "5", "6", "7"]);
    await using single = new ForebayClient({ endpoint: server.endpoint, batching: false });
    const unjoined = single.queue("orders.fifo");
    delayMs = 40;
    stored.length = 0;
    await Promise.all(["1", "2", "3"].map((body) => unjoined.send(body, fifo(body))));
    expect(stored).toEqual(["1", "2", "3"]);
  });

  test("whose turn does not come in time do not leave, nor do those taken back", async () => {
    let answer: (() => void) | undefined;
    server.override("sendMessage", async (request: SendMessageRequest) => {
      await new Promise<void>((resolve) => {
        answer = resolve;
      });
      return server.store({ ...request, id: "" });
    });
    const queue = client.queue("orders.fifo");
    const fifo = { groupId: "g", dedupId: "d" };
    const first = queue.send("1", fifo);
    const late = queue.send("2", { ...fifo, timeoutMs: 50 });
    const abort = new AbortController();
    const { signal } = abort;
    const takenBack = queue.send("3", { ...fifo, timeoutMs: 5_000, signal });
    const refused = expect(takenBack).rejects.toThrow("changed my mind");
    await expect(late).rejects.toBeInstanceOf(DeadlineError);
    abort.abort(new Error("changed my mind"));
    await refused;
    answer?.();
    await first;
    await queue.idle();
    expect(server.bodies()).toEqual(["1"]);
    expect(server.calls).toHaveLength(1);
  });

  test("that wait for their turn do not hold up the deadline of the call", async () => {
    server.override("sendMessage", async (request: SendMessageRequest) => {
      await new Promise((resolve) => setTimeout(resolve, 200));
      return server.store({ ...request, id: "" });
    });
    const queue = client.queue("orders.fifo");
    const fifo = { groupId: "g", dedupId: "d" };
    const startedMs = Date.now();
    await Promise.all([queue.send("1", fifo), queue.send("2", { ...fifo, timeoutMs: 1_000 })]);
    expect(server.calls[1]?.deadlineMs).toBeLessThanOrEqual(startedMs + 1_150);
  });

  test("whose answer does not match the body are told so", async () => {
    server.override("sendMessageBatch", ({ entries }: SendMessageBatchRequest) => ({
      successful: entries.map((entry) => ({ ...server.store(entry), md5OfBody: "0".repeat(32) })),
      failed: [],
    }));
    const queue = client.queue("orders");
    const sends = await Promise.allSettled([queue.send("1"), queue.send("2")]);
    expect(sends).toMatchObject([
      { reason: { reason: "MD5_MISMATCH" } },
      { reason: { reason: "MD5_MISMATCH" } },
    ]);
    await using trusting = new ForebayClient({ endpoint: server.endpoint, verifyMd5: false });
    const other = trusting.queue("orders");
    await Promise.all([other.send("1"), other.send("2")]);
  });
});

test("deletes made at the same time leave together", async () => {
  const queue = client.queue("orders");
  await Promise.all(["1", "2", "3"].map((body) => queue.send(body)));
  const messages = await queue.receive({ maxMessages: 10, waitTimeMs: 0 });
  const outcomes = await Promise.all(
    [...messages, ...messages.slice(0, 1)].map((message) => message.delete()),
  );
  expect(outcomes).toEqual(["DELETED", "DELETED", "DELETED", "ALREADY_GONE"]);
  const [batch] = server.callsOf<DeleteMessageBatchRequest>("deleteMessageBatch");
  expect(batch?.request.entries).toHaveLength(4);
});

describe("the batcher", () => {
  test("holds a batch that is not full back while enough are under way", async () => {
    const batches: { readonly entries: readonly number[]; answer(): void }[] = [];
    const batcher = new Batcher<number, number>(
      (entries) =>
        new Promise((resolve) => {
          batches.push({
            entries,
            answer: () => resolve(entries.map((result) => ({ kind: "done", result }))),
          });
        }),
      { batchesInFlightMax: 3, partialBatchesInFlightMax: 1 },
    );
    const turn = () => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    const add = (from: number, count: number) =>
      Array.from({ length: count }, (_, index) => batcher.add(from + index, 1));
    const results = [...add(0, 1)];
    await turn();
    expect(batches.map(({ entries }) => entries.length)).toEqual([1]);
    results.push(...add(1, 5));
    await turn();
    // One is under way, so five wait for more.
    expect(batches).toHaveLength(1);
    results.push(...add(6, 7));
    await turn();
    // Ten of them make a full batch, which may leave; two wait.
    expect(batches.map(({ entries }) => entries.length)).toEqual([1, 10]);
    batches[0]?.answer();
    await turn();
    expect(batches).toHaveLength(2);
    batches[1]?.answer();
    await turn();
    expect(batches.map(({ entries }) => entries.length)).toEqual([1, 10, 2]);
    batches[2]?.answer();
    expect(await Promise.all(results)).toEqual(Array.from({ length: 13 }, (_, index) => index));
    await batcher.idle();
  });

  test("refuses what would pass its bound", async () => {
    const batcher = new Batcher<number, number>(() => new Promise(() => undefined));
    const big = 200 * 1024 * 1024;
    void batcher.add(1, big);
    await expect(batcher.add(2, big)).rejects.toMatchObject({ reason: "CLIENT_BACKLOG" });
  });
});
