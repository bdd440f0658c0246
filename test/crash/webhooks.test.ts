// Every message whose publish was answered reaches a webhook at least once, though the server is killed while it delivers (T56): a
// message that was under way has a lease, which ends, and is sent again. Real processes, real SIGKILL, the real clock.

import { expect, test } from "vitest";
import { topicCall } from "../support/topics.js";
import { countersOf, hook, pause, subscribed, until } from "../support/webhooks.js";
import { Life } from "./life.js";

const killCount = 3;
const publishesPerLife = 60;
const testMsMax = 180_000;
/** Longer than a lease, in which what was under way at a kill waits. */
const waitMsMax = 60_000;

test(
  `what was published is posted at least once, though the server was killed ${killCount} times while it posted`,
  async () => {
    const life = await Life.begin();
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
    expect(await life.report()).toContain("No contradictions.");
  },
  testMsMax,
);
