// What was acknowledged holds when the process is killed (Q66). Real processes, real SIGKILL, the real clock: what stood in
// the queue before a kill stands there after it, to the millisecond. Moves and deduplication join when there are any.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { freePort } from "../../scripts/support/free-port.mjs";
import { answers, ServerProcess } from "../crash/server-process.js";
import { QueueClient, type RequestPart } from "../support/queue-client.js";
import { durationOf, msOf, receivedOf } from "../support/scenario.js";

/** A server that can be killed, always on the same port and directory. */
class Life {
  readonly queue = "orders";
  readonly #dataDirectory = mkdtempSync(join(tmpdir(), "forebay-durability-"));
  #port = 0;
  #process: ServerProcess | undefined;
  #client: QueueClient | undefined;

  static async begin(): Promise<Life> {
    const life = new Life();
    life.#port = await freePort();
    onTestFinished(async () => await life.#end());
    await life.start();
    return life;
  }

  async start(): Promise<void> {
    this.#process = new ServerProcess({ dataDirectory: this.#dataDirectory, port: this.#port });
    await answers(this.#port);
    this.#client = new QueueClient({ host: "127.0.0.1", port: this.#port });
  }

  get client(): QueueClient {
    if (this.#client === undefined) throw new Error("The server has not been started.");
    return this.#client;
  }

  async kill(): Promise<void> {
    await this.#process?.kill();
    this.client.close();
  }

  async #end(): Promise<void> {
    await this.kill();
    rmSync(this.#dataDirectory, { recursive: true, force: true });
  }

  async send(body: string, delayMs = 0): Promise<string> {
    const { messageId } = await this.client.call("sendMessage", {
      queue: this.queue,
      body: { $case: "text", value: body },
      delay: durationOf(delayMs),
    });
    return messageId;
  }

  async receive(request: Omit<RequestPart<"receiveMessage">, "queue"> = {}) {
    const { messages } = await this.client.call("receiveMessage", {
      queue: this.queue,
      systemAttributeNames: [1],
      ...request,
    });
    return messages.map(receivedOf);
  }

  async delete(receiptHandle: string): Promise<void> {
    await this.client.call("deleteMessage", { queue: this.queue, receiptHandle });
  }

  /** Everything there is to see of the queue, save its age. */
  async state() {
    const { messages } = await this.client.call("peekMessages", {
      queue: this.queue,
      pageSize: 100,
    });
    const report = await this.client.call("getQueueAttributes", { queue: this.queue });
    return { messages, ...report, counters: { ...report.counters, oldestMessageAge: undefined } };
  }
}

// A busy machine may miss a bound of real time once; a server that misses it always fails.
test("Q66 sends, leases, deletes and delays hold over a SIGKILL, and end at their original instants", {
  retry: 2,
}, async () => {
  const life = await Life.begin();
  await life.client.call("createQueue", {
    queue: life.queue,
    attributes: { visibilityTimeout: durationOf(60_000) },
  });
  for (const body of ["leased", "deleted", "released", "changed", "visible"]) await life.send(body);
  await life.send("delayed", 4_000);
  const [leased, deleted, released, changed] = await life.receive({ maxMessages: 4 });
  await life.delete(deleted?.handle ?? "");
  const change = (handle = "", timeoutMs = 0) =>
    life.client.call("changeMessageVisibility", {
      queue: life.queue,
      receiptHandle: handle,
      visibilityTimeout: durationOf(timeoutMs),
    });
  await change(released?.handle);
  const changedUntil = msOf((await change(changed?.handle, 3_000)).visibleTime);
  const before = await life.state();
  expect(before.messages.map(({ body, state }) => `${body?.value} ${state}`)).toEqual([
    "leased 2",
    "released 1",
    "changed 2",
    "visible 1",
    "delayed 3",
  ]);

  await life.kill();
  await life.start();
  expect(await life.state()).toEqual(before);

  // Those that were visible come at once; the others when they were due before the kill.
  const now = await life.receive({ maxMessages: 10 });
  expect(now.map(({ body, receiveCount }) => `${body} ${receiveCount}`)).toEqual([
    "released 2",
    "visible 1",
  ]);
  const wait = { maxMessages: 10, waitTime: durationOf(10_000) };
  const [first] = await life.receive(wait);
  expect(first).toMatchObject({ body: "changed", receiveCount: 2 });
  expect(msOf(first?.message.visibleTime) - 60_000 - changedUntil).toBeLessThan(100);
  expect(msOf(first?.message.visibleTime) - 60_000).toBeGreaterThanOrEqual(changedUntil);
  const delayedUntil = msOf(before.messages[4]?.visibleTime);
  const [second] = await life.receive(wait);
  expect(second).toMatchObject({ body: "delayed", receiveCount: 1 });
  expect(msOf(second?.message.visibleTime) - 60_000 - delayedUntil).toBeLessThan(100);
  expect(msOf(second?.message.visibleTime) - 60_000).toBeGreaterThanOrEqual(delayedUntil);
  // Handles from before the kill are good.
  await life.delete(leased?.handle ?? "");
  expect((await life.state()).counters).toMatchObject({ storedMessageCount: 4n, deletedCount: 2n });
});

test("Q66 killed in the middle of sends and deletes, every acknowledged one holds and nothing is doubled", async () => {
  const life = await Life.begin();
  await life.client.call("createQueue", { queue: life.queue });
  const sent = new Set<string>();
  const asked = new Set<string>();
  const deleted = new Set<string>();
  const mayBeDeleted = new Set<string>();
  for (let round = 0; round < 4; round += 1) {
    // Fifty at a time, one after another: commits come by the hundred, and the kill finds some under way.
    const sends = Array.from({ length: 50 }, async (_, sender) => {
      for (let index = 0; index < 100; index += 1) {
        const body = `${round}-${sender}-${index}`;
        asked.add(body);
        await life.send(body);
        sent.add(body);
      }
    });
    const held = await life.receive({ maxMessages: 10, visibilityTimeout: durationOf(3_600_000) });
    const deletes = held.map(async ({ body, handle }) => {
      mayBeDeleted.add(body);
      await life.delete(handle);
      deleted.add(body);
    });
    const settled = Promise.allSettled([...sends, ...deletes]);
    const killAt = sent.size + 300 * (round + 1);
    while (sent.size < killAt) await new Promise((resolve) => setImmediate(resolve));
    await life.kill();
    await settled;
    await life.start();
  }
  const stored: string[] = [];
  let pageToken = "";
  do {
    const page = await life.client.call("peekMessages", {
      queue: life.queue,
      pageSize: 100,
      pageToken,
    });
    stored.push(...page.messages.map(({ body }) => String(body?.value)));
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  const there = new Set(stored);
  expect(there.size).toBe(stored.length);
  expect([...sent].filter((body) => !there.has(body) && !mayBeDeleted.has(body))).toEqual([]);
  expect([...deleted].filter((body) => there.has(body))).toEqual([]);
  expect(stored.filter((body) => !asked.has(body))).toEqual([]);
  // The kills came in the middle.
  expect(sent.size).toBeLessThan(asked.size);
});
