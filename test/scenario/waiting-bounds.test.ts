// Receives that wait: how many may, and what ends a wait that the in-flight limit holds back.

import { expect, test } from "vitest";
import { consumer } from "../support/consumer.js";
import { bodiesOf, scenario } from "../support/scenario.js";

const throttled = { code: "RESOURCE_EXHAUSTED", reason: "THROTTLED" };

test("with waiting_receives_max receives waiting one more is refused, until one of them is answered", async () => {
  const t = await scenario({ config: { waitingReceivesMax: 2 } });
  const first = await t.poll({ max: 1 });
  const second = await t.poll({ max: 1 });
  await expect(t.receive({ waitMs: 20_000 })).rejects.toMatchObject(throttled);
  const stream = await consumer(t);
  expect(stream.stream.isEnded).toBe(false);
  // What does not receive goes on.
  await t.send("a");
  expect(bodiesOf(await first.answer)).toEqual(["a"]);
  const third = await t.poll({ max: 1 });
  await t.send("b");
  expect(bodiesOf(await second.answer)).toEqual(["b"]);
  third.cancel();
  stream.stream.cancel();
  await t.settle();
  // Waits that are given up make room, too.
  const polls = [await t.poll(), await t.poll()];
  await expect(t.receive({ waitMs: 20_000 })).rejects.toMatchObject(throttled);
  for (const poll of polls) expect(poll.isAnswered).toBe(false);
});

test("a receive held back by max_in_flight is answered when a message in flight expires", async () => {
  const t = await scenario({
    inFlightMax: 1,
    retentionMs: 60_000,
    visibilityTimeoutMs: 43_200_000,
  });
  await t.send("expires in flight");
  await t.receiveOne();
  await t.advance(50_000);
  await t.send("next");
  const poll = await t.poll({ waitMs: 20_000 });
  await t.advance(9_999);
  expect(poll.isAnswered).toBe(false);
  // The sweeper comes by once a second.
  await t.advance(1_001);
  expect(poll.isAnswered).toBe(true);
  expect(bodiesOf(await poll.answer)).toEqual(["next"]);
});
