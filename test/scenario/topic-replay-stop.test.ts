// A replay into a FIFO queue that is stopped, and goes on from where it was: the queue remembers what it got within five minutes, and
// what is handed on once more must not be taken for a repeat of itself. After each test the store is checked for contradictions.

import { expect, test } from "vitest";
import { ReplayState } from "../../src/gen/forebay/topic/v1/topic.js";
import { ResumeFrom } from "../../src/gen/forebay/topic/v1/topic_service.js";
import { durationOf, type Scenario, scenario } from "../support/scenario.js";
import { createTopic, publish, subscribe, topicCall } from "../support/topics.js";
import { countersOf } from "../support/webhooks.js";

const topic = "news.fifo";
const queue = "orders.fifo";

const publishTexts = async (t: Scenario, ...texts: readonly string[]): Promise<void> => {
  for (const text of texts) await publish(t, topic, text, { groupId: "g", dedupId: text });
};

/** Everything in the queue, in its order, also what is handed on meanwhile. */
async function drained(t: Scenario): Promise<string[]> {
  const bodies: string[] = [];
  for (let quiet = 0; quiet < 5; ) {
    const messages = await t.receive({ queue, max: 10 });
    quiet = messages.length === 0 ? quiet + 1 : 0;
    bodies.push(...messages.map(({ body }) => body));
    for (const { handle } of messages) {
      await t.call("deleteMessage", { queue, receiptHandle: handle });
    }
    await t.advance(10);
  }
  return bodies;
}

/** A replay of one message a second, of which the first was handed on. */
async function begun(t: Scenario, subscription: string): Promise<void> {
  await topicCall(t, "startReplay", {
    subscription,
    from: { point: { $case: "beginning", value: {} } },
    speed: { speed: { $case: "messagesPerSecond", value: 1 } },
  });
  expect(await drained(t)).toEqual(["1"]);
}

async function fourDelivered(): Promise<{ readonly t: Scenario; readonly id: string }> {
  const t = await scenario({ create: "none" });
  await createTopic(t, topic, { archiveRetention: durationOf(86_400_000) });
  await t.createQueue(queue, { type: "fifo" });
  const id = await subscribe(t, topic, queue, { isRaw: true });
  await publishTexts(t, "1", "2", "3", "4");
  expect(await drained(t)).toEqual(["1", "2", "3", "4"]);
  return { t, id };
}

const stop = (t: Scenario, subscription: string) =>
  topicCall(t, "stopReplay", { subscription, resumeFrom: ResumeFrom.REPLAY_POSITION });

test("T53 a FIFO queue gets the rest of a replay that is stopped where it is, though it had it live just before", async () => {
  const { t, id } = await fourDelivered();
  await begun(t, id);
  await publishTexts(t, "5");
  const { replay } = await stop(t, id);
  expect(replay).toMatchObject({ state: ReplayState.STOPPED, delivered: 1n });
  // What its queue must not take for a repeat is in a row.
  await t.restart();
  await publishTexts(t, "6");
  expect(await drained(t)).toEqual(["2", "3", "4", "5", "6"]);
  expect(await countersOf(t, id)).toMatchObject({ delivered: 10, filtered: 0, backlog: 0 });
});

test("T53 a replay that is stopped a second time, where it is, hands on once more what the first had passed on", async () => {
  const { t, id } = await fourDelivered();
  await begun(t, id);
  await stop(t, id);
  expect(await drained(t)).toEqual(["2", "3", "4"]);
  await begun(t, id);
  await stop(t, id);
  await publishTexts(t, "5");
  expect(await drained(t)).toEqual(["2", "3", "4", "5"]);
});

test("T53 another replay takes the place of what is left of one that was stopped where it is", async () => {
  const { t, id } = await fourDelivered();
  await begun(t, id);
  const settings = { paused: true };
  await topicCall(t, "updateSubscription", { subscription: id, settings, updateMask: ["paused"] });
  // Nothing of the rest is handed on yet.
  await stop(t, id);
  await topicCall(t, "startReplay", {
    subscription: id,
    from: { point: { $case: "beginning", value: {} } },
    until: { point: { $case: "sequenceNumber", value: "3" } },
  });
  await publishTexts(t, "5");
  expect(await drained(t)).toEqual(["1", "2", "5"]);
  expect(await countersOf(t, id)).toMatchObject({ delivered: 8, filtered: 0, backlog: 0 });
});
