// What was published is handed on once to everybody, however often the process is killed meanwhile (T56). Real processes, real
// SIGKILL, the real clock.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { freePort } from "../../scripts/support/free-port.mjs";
import { TargetKind } from "../../src/gen/forebay/topic/v1/topic.js";
import { checkStore, renderCheckReport } from "../../src/store/check.js";
import { answers, ServerProcess } from "../crash/server-process.js";
import { QueueClient } from "../support/queue-client.js";
import { openTestStore } from "../support/temporary-store.js";
import { topicCall } from "../support/topics.js";

const queueCount = 40;
const killCount = 5;
const publishesPerLife = 30;
const testMsMax = 120_000;

/** A server that can be killed, always on the same directory. */
class Life {
  readonly directory = mkdtempSync(join(tmpdir(), "forebay-topic-durability-"));
  #process: ServerProcess | undefined;
  #client: QueueClient | undefined;

  async start(): Promise<void> {
    const port = await freePort();
    this.#process = new ServerProcess({ dataDirectory: this.directory, port });
    await answers(port);
    this.#client = new QueueClient({ host: "127.0.0.1", port });
  }

  get client(): QueueClient {
    if (this.#client === undefined) throw new Error("The server has not been started.");
    return this.#client;
  }

  async kill(): Promise<void> {
    await this.#process?.kill();
    this.#client?.close();
  }
}

const queues = Array.from({ length: queueCount }, (_, index) => `queue-${index}`);

/** Publishes, and is killed when some were confirmed; says which. */
async function publishAndKill(life: Life, prefix: string): Promise<readonly string[]> {
  const confirmed: string[] = [];
  const published = Array.from({ length: publishesPerLife }, async (_, index) => {
    const value = `${prefix}-${index}`;
    await topicCall(life, "publish", { topic: "news", body: { $case: "text", value } });
    confirmed.push(value);
  });
  await Promise.any(published);
  await life.kill();
  await Promise.allSettled(published);
  return confirmed;
}

async function handedOn(life: Life): Promise<void> {
  for (let tries = 0; tries < 3_000; tries += 1) {
    const { topic } = await topicCall(life, "getTopic", { topic: "news" });
    if (topic?.counters?.fanOutPending === 0n) return;
  }
  throw new Error("The messages were not handed on.");
}

async function bodiesIn(life: Life, queue: string): Promise<string[]> {
  const bodies: string[] = [];
  for (;;) {
    const { messages } = await life.client.call("receiveMessage", { queue, maxMessages: 10 });
    if (messages.length === 0) return bodies;
    for (const { body } of messages) bodies.push(body?.$case === "text" ? body.value : "?");
  }
}

test(
  `T56 what was confirmed is in each of ${queueCount} queues once, though the server was killed ${killCount} times`,
  async () => {
    const life = new Life();
    onTestFinished(async () => {
      await life.kill();
      rmSync(life.directory, { recursive: true, force: true });
    });
    await life.start();
    await topicCall(life, "createTopic", { topic: "news" });
    for (const queue of queues) {
      await life.client.call("createQueue", { queue });
      await topicCall(life, "subscribe", {
        topic: "news",
        kind: TargetKind.QUEUE,
        endpoint: queue,
        settings: { rawMessageDelivery: true },
      });
    }
    const confirmed: string[] = [];
    for (let kill = 0; kill < killCount; kill += 1) {
      confirmed.push(...(await publishAndKill(life, String(kill))));
      await life.start();
    }
    await handedOn(life);
    const first = await bodiesIn(life, queues[0] ?? "");
    // What was not confirmed is there or is not; then it is so for everybody.
    expect(first).toEqual(expect.arrayContaining(confirmed));
    expect(new Set(first).size).toBe(first.length);
    for (const queue of queues.slice(1)) expect(await bodiesIn(life, queue)).toEqual(first);
    await life.kill();
    const store = openTestStore(life.directory);
    const report = await checkStore(store);
    await store.close();
    expect(renderCheckReport(report)).toContain("No contradictions.");
  },
  testMsMax,
);
