// The server is killed in the middle of a replay, and of a redrive: both go on with the next start, and leave nothing out. What comes
// of a step and how far it got is one command, so a copy in a queue is neither lost nor doubled (T46); a webhook, whose answer a kill
// can keep from us, gets each message at least once. Real processes, real SIGKILL, the real clock.

import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { ReplayState, TargetKind } from "../../src/gen/forebay/topic/v1/topic.js";
import { topicCall } from "../support/topics.js";
import { countersOf, hook, pause, subscribed, until } from "../support/webhooks.js";
import { Life } from "./life.js";

const messageCount = 300;
const killCount = 3;
const testMsMax = 120_000;
/** Longer than a lease, in which what was under way at a kill waits. */
const waitMsMax = 60_000;

const numbers = Array.from({ length: messageCount }, (_, index) => `m${index}`);

async function publishAll(life: Life, topic: string): Promise<void> {
  for (let from = 0; from < messageCount; from += 10) {
    const entries = numbers.slice(from, from + 10).map((value, index) => ({
      id: String(index),
      body: { $case: "text" as const, value },
      ...(topic.endsWith(".fifo") && { groupId: "g", dedupId: value }),
    }));
    const { failed } = await topicCall(life, "publishBatch", { topic, entries });
    expect(failed).toEqual([]);
  }
}

/** Everything in a queue, in the order in which it comes. */
async function drained(life: Life, queue: string): Promise<string[]> {
  const bodies: string[] = [];
  for (;;) {
    const { messages } = await life.client.call("receiveMessage", { queue, maxMessages: 10 });
    if (messages.length === 0) return bodies;
    for (const { body, receiptHandle } of messages) {
      if (body?.$case === "text") bodies.push(body.value);
      await life.client.call("deleteMessage", { queue, receiptHandle });
    }
  }
}

test.each(["news", "news.fifo"])(
  "T46 a replay of %s that is killed in the middle goes on, and every copy is there once and in order",
  async (topic) => {
    const life = await Life.begin();
    const queue = topic.replace("news", "copies");
    await topicCall(life, "createTopic", {
      topic,
      settings: { archiveRetention: { seconds: 86_400n, nanos: 0 } },
    });
    const attributes = topic.endsWith(".fifo") ? { fifoQueue: true } : {};
    await life.client.call("createQueue", { queue, attributes });
    await publishAll(life, topic);
    const { subscription } = await topicCall(life, "subscribe", {
      topic,
      kind: TargetKind.QUEUE,
      endpoint: queue,
      settings: { rawMessageDelivery: true },
    });
    const id = subscription?.subscription ?? "";
    await topicCall(life, "startReplay", {
      subscription: id,
      from: { point: { $case: "beginning", value: {} } },
      until: { point: { $case: "latest", value: {} } },
      speed: { speed: { $case: "messagesPerSecond", value: 60 } },
    });
    const replay = async () =>
      (await topicCall(life, "getReplay", { subscription: id })).replay ?? expect.fail("no replay");
    const seen: number[] = [];
    for (let kill = 0; kill < killCount; kill += 1) {
      await sleep(800);
      seen.push(Number((await replay()).delivered));
      await life.killAndStart();
    }
    // Else it was not killed in the middle.
    expect(seen.every((count) => count > 0 && count < messageCount)).toBe(true);
    expect(seen).toEqual([...seen].sort((left, right) => left - right));
    await expect
      .poll(async () => (await replay()).state, { timeout: waitMsMax, interval: 100 })
      .toBe(ReplayState.COMPLETED);
    expect(Number((await replay()).delivered)).toBe(messageCount);
    const came = await drained(life, queue);
    // A standard queue does not promise an order.
    expect(topic.endsWith(".fifo") ? came : [...came].sort()).toEqual(
      topic.endsWith(".fifo") ? numbers : [...numbers].sort(),
    );
    expect(await life.report()).toContain("No contradictions.");
  },
  testMsMax,
);

test(
  "undeliverable messages that are tried again come, though the server is killed while it tries",
  async () => {
    const life = await Life.begin();
    await topicCall(life, "createTopic", { topic: "news" });
    // Refused for good, until the test says otherwise.
    const answers = [400];
    const slow = await hook(answers, { delayMs: 30 });
    const id = await subscribed(life, "news", slow, { rawMessageDelivery: true });
    await publishAll(life, "news");
    await expect
      .poll(() => countersOf(life, id), { timeout: waitMsMax, interval: 100 })
      .toMatchObject({ backlog: 0, undeliverable: messageCount });
    answers[0] = 200;
    const refused = slow.notifications.length;
    const request = { subscription: id, requestId: "once" };
    const { redriven } = await topicCall(life, "redriveUndeliverable", request);
    expect(Number(redriven)).toBe(messageCount);
    let underWay = 0;
    for (let kill = 0; kill < killCount; kill += 1) {
      const before = slow.notifications.length;
      await until("some are posted", () => slow.notifications.length > before + 5);
      underWay += slow.unanswered();
      await life.killAndStart();
    }
    // Else it was not killed while it posted.
    expect(underWay).toBeGreaterThan(0);
    const end = Date.now() + waitMsMax;
    const isLeft = async (): Promise<boolean> => {
      const { backlog, undeliverable } = await countersOf(life, id);
      return backlog !== 0 || undeliverable !== 0;
    };
    while ((await isLeft()) && Date.now() < end) await pause(200);
    const got = new Set(slow.notifications.slice(refused).map(({ body }) => body));
    expect(numbers.filter((body) => !got.has(body))).toEqual([]);
    expect(await countersOf(life, id)).toMatchObject({ backlog: 0, undeliverable: 0 });
    expect(await life.report()).toContain("No contradictions.");
  },
  testMsMax,
);
