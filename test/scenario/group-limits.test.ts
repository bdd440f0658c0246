// How many messages of one group may be in flight at once: `max_in_flight_per_group`, on both types of queue.

import { expect, test } from "vitest";
import { consumer } from "../support/consumer.js";
import { deadLetterScenario } from "../support/dead-letters.js";
import { deleteAll } from "../support/inspection.js";
import {
  bodiesOf,
  fifoScenario,
  type Received,
  type Scenario,
  scenario,
} from "../support/scenario.js";

const receiveBodies = async (t: Scenario): Promise<string[]> =>
  bodiesOf(await t.receive({ max: 10 }));

/** A standard queue with a limit, and so many messages `g0`, `g1`, … of group `g`, of which the limit is in flight. */
async function atLimit(limit: number, count: number) {
  const t = await scenario({ groupInFlightMax: limit });
  await t.sendBatch(
    Array.from({ length: count }, (_, index) => `g${index}`),
    { groupId: "g" },
  );
  const taken = await t.receive({ max: 10 });
  expect(taken).toHaveLength(limit);
  return { t, taken };
}

test("one receive takes of each group what its limit leaves, and all there is without a group", async () => {
  const t = await scenario({ groupInFlightMax: 2 });
  await t.sendBatch(["g1", "g2", "g3"], { groupId: "g" });
  await t.sendBatch(["p1", "p2", "p3"]);
  await t.sendBatch(["h1", "h2", "h3"], { groupId: "h" });
  expect(await receiveBodies(t)).toEqual(["g1", "g2", "p1", "p2", "p3", "h1", "h2"]);
  expect(await receiveBodies(t)).toEqual([]);
  expect(await t.counts()).toBe("2/7/0");
});

test("a FIFO group with a limit of 1 gives one message a receive, and the next once that is done", async () => {
  const t = await fifoScenario({ groupInFlightMax: 1 });
  await t.sendBatch(["a1", "a2", "a3"], { groupId: "a" });
  await t.sendBatch(["b1", "b2"], { groupId: "b" });
  const rounds: string[][] = [];
  for (;;) {
    const received = await t.receive({ max: 10 });
    if (received.length === 0) break;
    expect(await t.receive({ max: 10 })).toEqual([]);
    rounds.push(bodiesOf(received));
    await deleteAll(t, received);
  }
  expect(rounds).toEqual([["a1", "b1"], ["a2", "b2"], ["a3"]]);
});

test("a FIFO group with a limit of 2 gives two messages in order, and no more before both are done", async () => {
  const t = await fifoScenario({ groupInFlightMax: 2 });
  await t.sendBatch(["a1", "a2", "a3", "a4"], { groupId: "a" });
  const [a1, a2] = await t.receive({ max: 10 });
  expect([a1?.body, a2?.body]).toEqual(["a1", "a2"]);
  await t.delete(a1?.handle ?? "");
  expect(await receiveBodies(t)).toEqual([]);
  await t.delete(a2?.handle ?? "");
  expect(await receiveBodies(t)).toEqual(["a3", "a4"]);
});

test.each<[string, (t: Scenario, handle: string) => Promise<unknown>, string[]]>([
  ["is deleted", async (t, handle) => await t.delete(handle), ["g2"]],
  ["is given back", async (t, handle) => await t.changeVisibility(handle, 0), ["g0"]],
  ["is rejected", async (t, handle) => await t.reject(handle), ["g2"]],
  ["is rejected for a while", async (t, h) => await t.reject(h, { delayMs: 60_000 }), ["g2"]],
  ["ends by itself", async (t) => await t.advance(1), ["g0"]],
])("a lease that %s frees its place, and wakes who waits", async (_, end, expected) => {
  const { t, taken } = await atLimit(2, 4);
  await t.changeVisibility(taken[1]?.handle ?? "", 600_000);
  await t.advance(29_999);
  const poll = await t.poll({ max: 10 });
  expect(poll.isAnswered).toBe(false);
  await end(t, taken[0]?.handle ?? "");
  expect(bodiesOf(await poll.answer)).toEqual(expected);
});

test("a leased message that expires frees its place at its end", async () => {
  const t = await scenario({ groupInFlightMax: 1 });
  await t.send("short", { groupId: "g", timeToLiveMs: 5_000 });
  await t.send("next", { groupId: "g" });
  await t.receiveOne();
  await t.leap(4_999);
  expect(await receiveBodies(t)).toEqual([]);
  await t.leap(1);
  expect(await t.counts()).toBe("1/0/0");
  expect(await receiveBodies(t)).toEqual(["next"]);
});

test("a message that goes to the dead-letter queue frees its place", async () => {
  const t = await deadLetterScenario({ after: 5, groupInFlightMax: 1 });
  await t.sendBatch(["a", "b"], { groupId: "g" });
  const { handle } = await t.receiveOne();
  const poll = await t.poll();
  await t.reject(handle, { isDeadLetter: true });
  expect(bodiesOf(await poll.answer)).toEqual(["b"]);
});

test("a receive with a timeout of 0 holds nothing and takes no place", async () => {
  const t = await scenario({ groupInFlightMax: 1 });
  await t.send("a", { groupId: "g" });
  for (let receive = 1; receive <= 2; receive += 1) {
    expect(await t.receiveOne({ visibilityTimeoutMs: 0 })).toMatchObject({ receiveCount: receive });
  }
});

test.each(["standard", "fifo"])(
  "a raised limit acts at once and wakes who waits: %s",
  async (type) => {
    const t = await (type === "fifo" ? fifoScenario : scenario)({ groupInFlightMax: 1 });
    await t.sendBatch(["a1", "a2", "a3"], { groupId: "a" });
    await t.send("b1", { groupId: "b" });
    expect(await receiveBodies(t)).toEqual(["a1", "b1"]);
    await t.send("b2", { groupId: "b" });
    const poll = await t.poll({ max: 10 });
    await t.setQueue({ groupInFlightMax: 2 });
    if (type === "fifo") {
      // The prefix rule still holds: what is in flight keeps the rest of its group back.
      await t.settle();
      expect(poll.isAnswered).toBe(false);
      poll.cancel();
      return;
    }
    expect(bodiesOf(await poll.answer)).toEqual(["a2", "b2"]);
    await t.setQueue({ groupInFlightMax: 0 });
    expect(await receiveBodies(t)).toEqual(["a3"]);
  },
);

test("a lowered limit acts at once: what is in flight stays, and nothing more goes out until there is room", async () => {
  const { t, taken } = await atLimit(4, 8);
  await t.setQueue({ groupInFlightMax: 2 });
  expect(await t.counts()).toBe("4/4/0");
  await deleteAll(t, taken.slice(0, 2));
  expect(await receiveBodies(t)).toEqual([]);
  await t.delete(taken[2]?.handle ?? "");
  expect(await receiveBodies(t)).toEqual(["g4"]);
});

test("a limit set on a queue that had none acts at once", async () => {
  const t = await scenario();
  await t.sendBatch(["a", "b", "c"], { groupId: "g" });
  await t.receive({ max: 2 });
  await t.setQueue({ groupInFlightMax: 2 });
  expect(await receiveBodies(t)).toEqual([]);
  await t.setQueue({ groupInFlightMax: 3 });
  expect(await receiveBodies(t)).toEqual(["c"]);
});

test.each([
  ["a", "b", 8],
  ["b", "a", 8],
  ["a", "b", 10],
  ["b", "a", 10],
])(
  "a limit lowered and raised again frees the group that has room, not the full one: %s, %s, %i",
  async (full, other, raised) => {
    const t = await scenario({ groupInFlightMax: 10 });
    const sendMany = async (groupId: string, count: number): Promise<void> =>
      await t.pour(
        Array.from({ length: count }, (_, index) => ({ body: `${groupId}${index}`, groupId })),
      );
    await sendMany(full, 12);
    await t.receive({ max: 10 });
    await sendMany(other, 6);
    await t.receive({ max: 5 });
    await t.setQueue({ groupInFlightMax: 5 });
    await t.send("more", { groupId: other });
    const poll = await t.poll({ max: 10 });
    await t.setQueue({ groupInFlightMax: raised });
    expect(bodiesOf(await poll.answer)).toEqual([`${other}5`, "more"]);
  },
);

test("when thousands of groups wait for the limit, a raised one frees all of them", async () => {
  const t = await scenario({ groupInFlightMax: 1, visibilityTimeoutMs: 43_200_000 });
  const groups = Array.from({ length: 2_500 }, (_, index) => `g${index}`);
  await t.pour(groups.map((groupId) => ({ body: `1 ${groupId}`, groupId })));
  await t.pour(groups.map((groupId) => ({ body: `2 ${groupId}`, groupId })));
  const stream = await consumer(t, { messages: 10_000 });
  await stream.stream.until(
    () =>
      stream.stream.responses.reduce(
        (sum, { response }) =>
          sum + (response?.$case === "messages" ? response.value.messages.length : 0),
        0,
      ) === 2_500,
  );
  expect(await stream.messages()).toHaveLength(2_500);
  expect(await t.counts()).toBe("2500/2500/0");
  await t.setQueue({ groupInFlightMax: 2 });
  const second: string[] = [];
  for (let look = 0; look < 100 && second.length < 2_500; look += 1) {
    second.push(...bodiesOf(await stream.messages()));
  }
  expect(second.sort()).toEqual(groups.map((groupId) => `2 ${groupId}`).sort());
});

test("a noisy group at its limit waits for it as any other", async () => {
  const t = await scenario({ groupInFlightMax: 30 });
  await t.pour(Array.from({ length: 32 }, (_, index) => ({ body: `g${index}`, groupId: "g" })));
  const taken: Received[] = [];
  for (let receive = 0; receive < 3; receive += 1) taken.push(...(await t.receive({ max: 10 })));
  await t.send("small", { groupId: "s" });
  expect(await receiveBodies(t)).toEqual(["small"]);
  await t.delete(taken[0]?.handle ?? "");
  expect(await receiveBodies(t)).toEqual(["g30"]);
});

test("a stream gets of a group as many as the limit allows, and the next with each ack", async () => {
  const t = await scenario({ groupInFlightMax: 2 });
  await t.sendBatch(["a", "b", "c", "d"], { groupId: "g" });
  const stream = await consumer(t, { messages: 100 });
  const first = await stream.messages();
  expect(bodiesOf(first)).toEqual(["a", "b"]);
  stream.ack(first[0]?.handle ?? "");
  const { messages, outcomes } = await stream.news();
  expect(outcomes).toEqual(["DELETED"]);
  expect(bodiesOf(messages)).toEqual(["c"]);
});

test.each<[string, (t: Scenario) => Promise<unknown>]>([
  ["restart", async (t) => await t.restart()],
  ["crash", async (t) => await t.crash()],
])("who waits for the limit is known after a %s", async (_, happen) => {
  const { t, taken } = await atLimit(2, 4);
  await happen(t);
  expect(await receiveBodies(t)).toEqual([]);
  await t.delete(taken[0]?.handle ?? "");
  expect(await receiveBodies(t)).toEqual(["g2"]);
  await t.setQueue({ groupInFlightMax: 3 });
  expect(await receiveBodies(t)).toEqual(["g3"]);
});

test("a limit is 0 to 10,000,000, and absent where it is 0", async () => {
  const t = await scenario();
  const limit = async () =>
    (await t.call("getQueueAttributes", { queue: t.queue })).attributes?.maxInFlightPerGroup;
  expect(await limit()).toBeUndefined();
  for (const groupInFlightMax of [1, 10_000_000]) {
    await t.setQueue({ groupInFlightMax });
    expect(await limit()).toBe(groupInFlightMax);
  }
  for (const groupInFlightMax of [-1, 10_000_001]) {
    await expect(t.setQueue({ groupInFlightMax })).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      reason: "INVALID_ATTRIBUTE_VALUE",
    });
  }
  await t.setQueue({ groupInFlightMax: 0 });
  expect(await limit()).toBeUndefined();
});
