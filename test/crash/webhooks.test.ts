// Every message whose publish was answered reaches a webhook at least once, though the server is killed while it delivers (T56): a
// message that was under way has a lease, which ends, and is sent again. Real processes, real SIGKILL, the real clock.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { freePort } from "../../scripts/support/free-port.mjs";
import { checkStore, renderCheckReport } from "../../src/store/check.js";
import { QueueClient } from "../support/queue-client.js";
import { openTestStore } from "../support/temporary-store.js";
import { topicCall } from "../support/topics.js";
import { countersOf, hook, pause, subscribed, until } from "../support/webhooks.js";
import { answers, ServerProcess } from "./server-process.js";

const killCount = 3;
const publishesPerLife = 60;
const testMsMax = 180_000;
/** Longer than a lease, in which what was under way at a kill waits. */
const waitMsMax = 60_000;

const args = [
  ...["--public-base-url", "http://messages.example"],
  ...["--public-listen", "127.0.0.1:0"],
  ...["--webhook-allowed-cidrs", "127.0.0.0/8"],
];

class Life {
  readonly directory = mkdtempSync(join(tmpdir(), "forebay-webhooks-"));
  #process: ServerProcess | undefined;
  #client: QueueClient | undefined;

  async start(): Promise<void> {
    const port = await freePort();
    this.#process = new ServerProcess({ dataDirectory: this.directory, port, args });
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

test(
  `what was published is posted at least once, though the server was killed ${killCount} times while it posted`,
  async () => {
    const life = new Life();
    onTestFinished(async () => {
      await life.kill();
      rmSync(life.directory, { recursive: true, force: true });
    });
    await life.start();
    await topicCall(life, "createTopic", { topic: "news" });
    const slow = await hook([200], { delayMs: 50 });
    const id = await subscribed(life, "news", slow, { rawMessageDelivery: true });
    const confirmed: string[] = [];
    let underWay = 0;
    for (let round = 0; round < killCount; round += 1) {
      const before = slow.notifications.length;
      const publishes = Array.from({ length: publishesPerLife }, async (_, index) => {
        const value = `${round}-${index}`;
        await topicCall(life, "publish", { topic: "news", body: { $case: "text", value } });
        confirmed.push(value);
      });
      const answered = Promise.allSettled(publishes);
      await until("some are posted", () => slow.notifications.length > before + 5);
      underWay += slow.unanswered();
      await life.kill();
      await answered;
      await life.start();
    }
    // Else it was not killed while it posted.
    expect(underWay).toBeGreaterThan(0);
    expect(confirmed.length).toBeGreaterThan(0);
    const end = Date.now() + waitMsMax;
    while ((await countersOf(life, id))["backlog"] !== 0 && Date.now() < end) await pause(200);
    const got = new Set(slow.notifications.map(({ body }) => body));
    expect(confirmed.filter((body) => !got.has(body))).toEqual([]);
    expect(await countersOf(life, id)).toMatchObject({ backlog: 0, undeliverable: 0 });
    await life.kill();
    const store = openTestStore(life.directory);
    const report = await checkStore(store);
    await store.close();
    expect(renderCheckReport(report)).toContain("No contradictions.");
  },
  testMsMax,
);
