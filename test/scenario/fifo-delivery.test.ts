// In which order a FIFO queue delivers: within a group, between groups, and what a leased message keeps back (Q48 to Q53).

import { expect, test } from "vitest";
import {
  bodiesOf,
  durationOf,
  fifoScenario,
  handlesOf,
  type Scenario,
} from "../support/scenario.js";

const receiveBodies = async (t: Scenario, max = 10): Promise<string[]> =>
  bodiesOf(await t.receive({ max }));

/** Receives and deletes until nothing is left; the bodies of each receive. */
async function drain(t: Scenario, max: number): Promise<string[][]> {
  const batches: string[][] = [];
  for (;;) {
    const received = await t.receive({ max });
    if (received.length === 0) return batches;
    batches.push(bodiesOf(received));
    await t.call("deleteMessageBatch", {
      queue: t.queue,
      entries: received.map(({ handle }, index) => ({ id: String(index), receiptHandle: handle })),
    });
  }
}

/** A queue with `a`, `b` and `c` of one group, all leased for the time given. */
async function threeLeased(
  visibilityTimeoutMs: number,
): Promise<{ t: Scenario; a: string; b: string; c: string }> {
  const t = await fifoScenario();
  await t.sendBatch(["a", "b", "c"], { groupId: "g" });
  const received = await t.receive({ max: 3, visibilityTimeoutMs });
  expect(bodiesOf(received)).toEqual(["a", "b", "c"]);
  const [a = "", b = "", c = ""] = handlesOf(received);
  return { t, a, b, c };
}

test("Q48 while the first message of a group is leased the others are not delivered, also not to a waiter", async () => {
  const t = await fifoScenario();
  await t.sendBatch(["m1", "m2"], { groupId: "g" });
  const m1 = await t.receiveOne();
  expect(m1.body).toBe("m1");
  expect(await receiveBodies(t)).toEqual([]);
  const poll = await t.poll();
  await t.send("m3", { groupId: "g" });
  await t.advance(1_000);
  expect(poll.isAnswered).toBe(false);
  expect(await receiveBodies(t)).toEqual([]);
  expect(await t.delete(m1.handle)).toBe("DELETED");
  expect(await poll.answer).toMatchObject([{ body: "m2", receiveCount: 1 }]);
  expect(await receiveBodies(t)).toEqual([]);
});

test("Q48 a leased message keeps back its own group only", async () => {
  const t = await fifoScenario();
  await t.sendBatch(["a1", "a2"], { groupId: "a" });
  await t.receive();
  await t.send("b1", { groupId: "b" });
  expect(await receiveBodies(t)).toEqual(["b1"]);
  await t.send("b2", { groupId: "b" });
  await t.send("c1", { groupId: "c" });
  expect(await receiveBodies(t)).toEqual(["c1"]);
});

test("Q48 a message sent while the whole group is leased waits for all of them", async () => {
  const t = await fifoScenario();
  await t.sendBatch(["a", "b"], { groupId: "g" });
  const [a = "", b = ""] = handlesOf(await t.receive({ max: 2 }));
  await t.send("c", { groupId: "g" });
  expect(await receiveBodies(t)).toEqual([]);
  await t.delete(b);
  expect(await receiveBodies(t)).toEqual([]);
  await t.delete(a);
  expect(await receiveBodies(t)).toEqual(["c"]);
});

test("Q49 a receive takes all it can of one group, in order, before it goes to the next", async () => {
  const t = await fifoScenario();
  await t.send("a", { groupId: "g1" });
  await t.send("b", { groupId: "g2" });
  await t.send("c", { groupId: "g1" });
  expect(await receiveBodies(t, 3)).toEqual(["a", "c", "b"]);
});

test("Q49 a group that a receive takes in part gives the rest only after that part is done", async () => {
  const t = await fifoScenario();
  await t.sendBatch(["a1", "a2", "a3"], { groupId: "a" });
  await t.sendBatch(["b1", "b2"], { groupId: "b" });
  await t.send("c1", { groupId: "c" });
  const first = await t.receive({ max: 4 });
  expect(bodiesOf(first)).toEqual(["a1", "a2", "a3", "b1"]);
  expect(await receiveBodies(t)).toEqual(["c1"]);
  await t.delete(first[3]?.handle ?? "");
  expect(await receiveBodies(t)).toEqual(["b2"]);
});

test("Q50 of two leased messages both must go before the group goes on", async () => {
  const t = await fifoScenario();
  await t.sendBatch(["a", "b", "c"], { groupId: "g" });
  const [a = "", b = ""] = handlesOf(await t.receive({ max: 2 }));
  await t.delete(a);
  expect(await receiveBodies(t)).toEqual([]);
  await t.delete(b);
  expect(await receiveBodies(t)).toEqual(["c"]);
});

test("Q50 the second of two leased messages that lapses is delivered again, with what follows", async () => {
  const t = await fifoScenario({ visibilityTimeoutMs: 10_000 });
  await t.sendBatch(["a", "b", "c"], { groupId: "g" });
  const [a = ""] = handlesOf(await t.receive({ max: 2 }));
  await t.delete(a);
  await t.advance(9_999);
  expect(await receiveBodies(t)).toEqual([]);
  await t.advance(1);
  expect(await receiveBodies(t)).toEqual(["b", "c"]);
});

test("Q51 the first of two leased messages given back is delivered again, the second is not", async () => {
  const t = await fifoScenario({ visibilityTimeoutMs: 30_000 });
  await t.sendBatch(["a", "b"], { groupId: "g" });
  const [a = ""] = handlesOf(await t.receive({ max: 2 }));
  await t.changeVisibility(a, 0);
  expect(await t.receive({ max: 10, visibilityTimeoutMs: 60_000 })).toMatchObject([
    { body: "a", receiveCount: 2 },
  ]);
  // The second comes back behind the first: it is kept back by it now.
  await t.advance(30_000);
  expect(await t.counts()).toBe("1/1/0");
  expect(await receiveBodies(t)).toEqual([]);
});

test("a message given back behind a leased one waits for it", async () => {
  const { t, a, b, c } = await threeLeased(30_000);
  await t.changeVisibility(b, 0);
  await t.changeVisibility(c, 0);
  expect(await t.counts()).toBe("2/1/0");
  expect(await receiveBodies(t)).toEqual([]);
  await t.delete(a);
  expect(await receiveBodies(t)).toEqual(["b", "c"]);
});

test.each([
  ["foo", []],
  ["bar", ["foo"]],
  ["baz", ["foo", "bar"]],
])(
  "Q52 with the lease of %s extended the others come back up to it: %j",
  async (extended, expected) => {
    const t = await fifoScenario();
    await t.sendBatch(["foo", "bar", "baz"], { groupId: "g" });
    const received = await t.receive({ max: 3, visibilityTimeoutMs: 1_000 });
    const { handle = "" } = received.find(({ body }) => body === extended) ?? {};
    await t.changeVisibility(handle, 4_000);
    await t.advance(2_500);
    expect(await receiveBodies(t)).toEqual(expected);
  },
);

test("Q52 a group kept back by an extended lease goes on at the instant that ends", async () => {
  const t = await fifoScenario();
  await t.sendBatch(["foo", "bar", "baz"], { groupId: "g" });
  const [foo = ""] = handlesOf(await t.receive({ max: 3, visibilityTimeoutMs: 1_000 }));
  await t.changeVisibility(foo, 4_000);
  await t.advance(3_999);
  expect(await t.counts()).toBe("2/1/0");
  expect(await receiveBodies(t)).toEqual([]);
  await t.advance(1);
  expect(await receiveBodies(t)).toEqual(["foo", "bar", "baz"]);
});

test("Q53 messages whose leases ended come back in their original order, at the instant they ended", async () => {
  const { t } = await threeLeased(10_000);
  await t.advance(9_999);
  expect(await receiveBodies(t)).toEqual([]);
  await t.advance(1);
  const again = await t.receive({ max: 10 });
  expect(bodiesOf(again)).toEqual(["a", "b", "c"]);
  expect(again.map(({ receiveCount }) => receiveCount)).toEqual([2, 2, 2]);
});

test("Q53 in whatever order leases end, the group comes back in its own", async () => {
  const { t, a, b, c } = await threeLeased(600_000);
  await t.send("d", { groupId: "g" });
  await t.changeVisibility(a, 3_000);
  await t.changeVisibility(b, 2_000);
  await t.changeVisibility(c, 1_000);
  await t.advance(2_999);
  expect(await receiveBodies(t)).toEqual([]);
  await t.advance(1);
  expect(await receiveBodies(t)).toEqual(["a", "b", "c", "d"]);
});

test("Q53 the order holds when nobody settled what ended meanwhile, and over restarts", async () => {
  for (const meanwhile of ["nothing", "restart", "crash"] as const) {
    const { t, b } = await threeLeased(10_000);
    await t.delete(b);
    await t.leap(10_000);
    if (meanwhile === "restart") await t.restart();
    if (meanwhile === "crash") await t.crash();
    expect(await receiveBodies(t), meanwhile).toEqual(["a", "c"]);
  }
});

test("Q53 messages received many times keep their place: nothing of a group goes to the back", async () => {
  const t = await fifoScenario();
  await t.sendBatch(["a", "b"], { groupId: "g" });
  for (let count = 1; count <= 5; count += 1) {
    const received = await t.receive({ max: 10, visibilityTimeoutMs: 0 });
    expect(received.map(({ body, receiveCount }) => `${body} x${receiveCount}`)).toEqual([
      `a x${count}`,
      `b x${count}`,
    ]);
  }
  await t.send("c", { groupId: "g" });
  expect(await receiveBodies(t)).toEqual(["a", "b", "c"]);
});

test("a leased message deleted in the middle leaves the rest in order", async () => {
  const { t, b } = await threeLeased(10_000);
  await t.send("d", { groupId: "g" });
  await t.delete(b);
  await t.advance(10_000);
  expect(await receiveBodies(t)).toEqual(["a", "c", "d"]);
});

test("a message that expires at the head of its group lets the group go on at that instant", async () => {
  const t = await fifoScenario({ retentionMs: 60_000, visibilityTimeoutMs: 600_000 });
  await t.send("old", { groupId: "g" });
  await t.receive();
  await t.advance(30_000);
  await t.send("young", { groupId: "g" });
  await t.advance(29_999);
  expect(await receiveBodies(t)).toEqual([]);
  await t.advance(1);
  expect(await receiveBodies(t)).toEqual(["young"]);
});

test("an expired head keeps nobody back, also before it is swept away", async () => {
  const t = await fifoScenario({ retentionMs: 60_000, visibilityTimeoutMs: 600_000 });
  await t.send("leased", { groupId: "g" });
  await t.receive();
  await t.send("visible", { groupId: "h" });
  await t.leap(30_000);
  await t.send("young g", { groupId: "g" });
  await t.send("young h", { groupId: "h" });
  await t.leap(30_000);
  expect((await receiveBodies(t)).sort()).toEqual(["young g", "young h"]);
});

test("a shorter retention that makes a leased head expire lets its group go on at once", async () => {
  const t = await fifoScenario({ visibilityTimeoutMs: 600_000 });
  await t.send("old", { groupId: "g" });
  await t.receive();
  await t.advance(60_000);
  await t.send("young", { groupId: "g" });
  const poll = await t.poll();
  await t.setQueue({ retentionMs: 60_000 });
  await t.advance(0);
  expect(poll.isAnswered).toBe(true);
  expect(bodiesOf(await poll.answer)).toEqual(["young"]);
  expect(await t.counters()).toMatchObject({ expired: 1, inFlight: 1 });
});

test("a purge takes leased heads away: what is sent after it is delivered at once", async () => {
  const t = await fifoScenario();
  await t.sendBatch(["a", "b"], { groupId: "g" });
  await t.receive();
  expect(await t.purge()).toBe(2);
  await t.send("c", { groupId: "g" });
  expect(await receiveBodies(t)).toEqual(["c"]);
});

test("the group just served goes to the back: groups take turns", async () => {
  const t = await fifoScenario();
  const groups = ["a", "b", "c", "d"];
  for (let index = 0; index < 5; index += 1) {
    for (const groupId of groups) await t.send(`${groupId}${index}`, { groupId });
  }
  const served = (await drain(t, 1)).flat();
  expect(served).toHaveLength(20);
  // Any four receives in a row serve all four groups.
  for (let from = 0; from + 4 <= served.length; from += 1) {
    const turn = served.slice(from, from + 4).map((body) => body.charAt(0));
    expect(turn.sort(), `from ${from}`).toEqual(groups);
  }
});

test("a group that can fill receives alone does not starve another", async () => {
  const t = await fifoScenario();
  const bodies = Array.from({ length: 100 }, (_, index) => ({
    body: `big ${index}`,
    groupId: "big",
  }));
  await t.pour(bodies);
  await t.send("small 0", { groupId: "small" });
  const batches = await drain(t, 10);
  expect(batches.slice(0, 2).flat()).toContain("small 0");
  expect(batches.flat().filter((body) => body !== "small 0")).toEqual(
    bodies.map(({ body }) => body),
  );
});

test("a group does not starve others although its messages keep coming back", async () => {
  const t = await fifoScenario();
  await t.send("stubborn", { groupId: "a" });
  await t.send("patient", { groupId: "b" });
  const seen = new Set<string>();
  for (let round = 0; round < 2; round += 1) {
    seen.add((await t.receiveOne({ visibilityTimeoutMs: 0 })).body);
  }
  expect([...seen].sort()).toEqual(["patient", "stubborn"]);
});

test("200 groups are each delivered in order, none is forgotten", async () => {
  const t = await fifoScenario();
  const groups = Array.from({ length: 200 }, (_, index) => `g${index}`);
  await t.pour(
    ["0", "1", "2"].flatMap((index) =>
      groups.map((groupId) => ({ body: `${groupId} ${index}`, groupId })),
    ),
  );
  expect(await t.counters()).toMatchObject({ visible: 600, groupsInFlight: 0 });
  // One of each group is all there is for a receiver that deletes nothing and takes one at a time.
  const heads: string[] = [];
  for (let count = 0; count < 200; count += 1) heads.push((await t.receiveOne()).body);
  expect(heads.sort()).toEqual(groups.map((groupId) => `${groupId} 0`).sort());
  expect(await receiveBodies(t)).toEqual([]);
  expect(await t.counters()).toMatchObject({ visible: 400, inFlight: 200, groupsInFlight: 200 });
  await t.advance(30_000);
  const served = (await drain(t, 7)).flat();
  expect(served).toHaveLength(600);
  for (const groupId of groups) {
    const ofGroup = served.filter((body) => body.startsWith(`${groupId} `));
    expect(ofGroup).toEqual([`${groupId} 0`, `${groupId} 1`, `${groupId} 2`]);
  }
});

test("a leased group with thousands of messages waiting does not keep another's message back", async () => {
  const t = await fifoScenario();
  await t.pour(
    Array.from({ length: 12_000 }, (_, index) => ({ body: `big ${index}`, groupId: "big" })),
  );
  const head = await t.receiveOne();
  const poll = await t.poll();
  await t.send("small 0", { groupId: "small" });
  expect(bodiesOf(await poll.answer)).toEqual(["small 0"]);
  await t.send("other 0", { groupId: "other" });
  expect(await receiveBodies(t)).toEqual(["other 0"]);
  await t.delete(head.handle);
  expect(await receiveBodies(t, 3)).toEqual(["big 1", "big 2", "big 3"]);
});

test("thousands of groups waiting for their leased heads do not keep another's message back", async () => {
  const t = await fifoScenario({ visibilityTimeoutMs: 600_000 });
  const groups = Array.from({ length: 3_000 }, (_, index) => `g${index}`);
  await t.pour(groups.map((groupId) => ({ body: `${groupId} head`, groupId })));
  const heads = new Map<string, string>();
  while (heads.size < groups.length) {
    for (const { body, handle } of await t.receive({ max: 10 })) heads.set(body, handle);
  }
  await t.pour(groups.map((groupId) => ({ body: `${groupId} next`, groupId })));
  expect(await receiveBodies(t)).toEqual([]);
  await t.send("new", { groupId: "new" });
  expect(await receiveBodies(t)).toEqual(["new"]);
  const poll = await t.poll();
  await t.delete(heads.get("g2999 head") ?? "");
  expect(bodiesOf(await poll.answer)).toEqual(["g2999 next"]);
  expect(await t.counters()).toMatchObject({ visible: 2_999, inFlight: 3_001 });
});

test("an answer stops at the bytes asked for, also within a group, and skips nothing of it", async () => {
  const t = await fifoScenario();
  await t.sendBatch(["a".repeat(60), "b".repeat(60), "c"], { groupId: "g" });
  expect(await t.receive({ max: 10, maxBytes: 100 })).toMatchObject([{ body: "a".repeat(60) }]);
  expect(await t.peek()).toEqual([
    `in flight ${"a".repeat(60)} x1`,
    `visible ${"b".repeat(60)} x0`,
    "visible c x0",
  ]);
});

test("at the limit of messages in flight a receive is OK and empty, also a short poll", async () => {
  const t = await fifoScenario({ inFlightMax: 2 });
  for (const body of ["a", "b", "c"]) await t.send(body, { groupId: body });
  const held = await t.receive({ max: 10 });
  expect(held).toHaveLength(2);
  expect(await receiveBodies(t)).toEqual([]);
  expect(await t.counts()).toBe("1/2/0");
  await t.delete(held[0]?.handle ?? "");
  expect(await receiveBodies(t)).toHaveLength(1);
  expect(await receiveBodies(t)).toEqual([]);
});

test("the limit of messages in flight cuts a group in order, and its rest waits for what was taken", async () => {
  const t = await fifoScenario({ inFlightMax: 2 });
  await t.sendBatch(["a", "b", "c"], { groupId: "g" });
  const [a = "", b = ""] = handlesOf(await t.receive({ max: 10 }));
  expect(await t.peek()).toEqual(["in flight a x1", "in flight b x1", "visible c x0"]);
  await t.delete(a);
  expect(await receiveBodies(t)).toEqual([]);
  await t.delete(b);
  expect(await receiveBodies(t)).toEqual(["c"]);
});

test("a waiter stopped by the limit of messages in flight is served when it is raised or a message goes", async () => {
  const t = await fifoScenario({ inFlightMax: 1 });
  for (const body of ["a", "b", "c"]) await t.send(body, { groupId: body });
  const held = await t.receiveOne();
  const [first, second] = [await t.poll(), await t.poll()];
  expect([first.isAnswered, second.isAnswered]).toEqual([false, false]);
  await t.setQueue({ inFlightMax: 2 });
  expect(await first.answer).toHaveLength(1);
  expect(second.isAnswered).toBe(false);
  await t.delete(held.handle);
  expect(await second.answer).toHaveLength(1);
});

test("a peek shows a FIFO queue in send order, with groups that are kept back as visible", async () => {
  const t = await fifoScenario({ contentBasedDeduplication: false });
  await t.send("a", { groupId: "g1", dedupId: "1" });
  await t.receive();
  await t.send("b", { groupId: "g2", dedupId: "2" });
  await t.send("c", { groupId: "g1", dedupId: "3" });
  expect(await t.peek()).toEqual(["in flight a x1", "visible b x0", "visible c x0"]);
  const { messages } = await t.call("peekMessages", { queue: t.queue });
  expect(messages.map(({ systemAttributes }) => systemAttributes?.groupId)).toEqual([
    "g1",
    "g2",
    "g1",
  ]);
  expect(messages.map(({ systemAttributes }) => systemAttributes?.dedupId)).toEqual([
    "1",
    "2",
    "3",
  ]);
  const numbers = messages.map(({ systemAttributes }) => systemAttributes?.sequenceNumber ?? "");
  expect(numbers).toEqual(numbers.toSorted());
  const ofGroup = await t.call("peekMessages", { queue: t.queue, groupId: "g1" });
  expect(ofGroup.messages.map(({ body }) => String(body?.value))).toEqual(["a", "c"]);
});

test("a batch of lease changes acts on a group in the order of its entries", async () => {
  const { t, a, b, c } = await threeLeased(30_000);
  const { successful, failed } = await t.call("changeMessageVisibilityBatch", {
    queue: t.queue,
    entries: [c, a, b].map((receiptHandle, index) => ({
      id: String(index),
      receiptHandle,
      visibilityTimeout: durationOf(0),
    })),
  });
  expect([successful.length, failed.length]).toEqual([3, 0]);
  expect(await receiveBodies(t)).toEqual(["a", "b", "c"]);
});

test("when more leases than one step settles end together, groups come back in order and the numbers are exact", async () => {
  const t = await fifoScenario({ visibilityTimeoutMs: 600_000 });
  await t.pour(
    Array.from({ length: 3_000 }, (_, index) => ({ body: `${index}`, groupId: `g${index % 300}` })),
  );
  for (let count = 0; count < 300; count += 1) await t.receive({ max: 10 });
  expect(await t.counts()).toBe("0/3000/0");
  await t.leap(600_000);
  const received = await t.receive({ max: 10 });
  expect(received).toHaveLength(10);
  for (const first of new Set(received.map(({ body }) => Number(body) % 300))) {
    const ofGroup = received.filter(({ body }) => Number(body) % 300 === first);
    expect(bodiesOf(ofGroup)).toEqual(ofGroup.map((_, index) => String(first + 300 * index)));
  }
  expect(await t.counts()).toBe("2990/10/0");
});

test("with a limit of one in flight a group, a receive takes one of each", async () => {
  const t = await fifoScenario();
  await t.call("setQueueAttributes", { queue: t.queue, attributes: { maxInFlightPerGroup: 1 } });
  for (const groupId of ["a", "b"]) await t.sendBatch([`${groupId}1`, `${groupId}2`], { groupId });
  const received = await t.receive({ max: 10 });
  expect(bodiesOf(received).sort()).toEqual(["a1", "b1"]);
  const poll = await t.poll({ max: 10 });
  const a1 = received.find(({ body }) => body === "a1");
  await t.delete(a1?.handle ?? "");
  expect(bodiesOf(await poll.answer)).toEqual(["a2"]);
});

test("a retry policy keeps a group back from the end of its lease until its backoff is over", async () => {
  const t = await fifoScenario({ visibilityTimeoutMs: 10_000 });
  await t.call("setQueueAttributes", {
    queue: t.queue,
    attributes: { retryPolicy: { minimumBackoff: durationOf(2_000) } },
  });
  await t.sendBatch(["a", "b"], { groupId: "g" });
  await t.receive();
  await t.advance(10_000);
  expect(await t.counts()).toBe("1/0/1");
  const poll = await t.poll({ max: 10 });
  await t.advance(1_999);
  expect(poll.isAnswered).toBe(false);
  await t.advance(1);
  const [a, b] = await poll.answer;
  expect([a?.body, b?.body]).toEqual(["a", "b"]);
  // A change to 0 is no failure: visible at once, as in SQS.
  await t.changeVisibility(a?.handle ?? "", 0);
  expect(await receiveBodies(t)).toEqual(["a"]);
  // The second lease ends: twice as long, and the group waits behind its head.
  await t.advance(10_000);
  expect(await t.counts()).toBe("0/0/2");
  await t.advance(3_999);
  expect(await receiveBodies(t)).toEqual([]);
});

test("a message with a time of its own to come takes its place in its group when that comes", async () => {
  const t = await fifoScenario();
  const deliverAt = t.now + 10_000;
  const later = await t.call("sendMessage", {
    queue: t.queue,
    body: { $case: "text", value: "later" },
    groupId: "g",
    deliverTime: {
      seconds: BigInt(Math.floor(deliverAt / 1_000)),
      nanos: (deliverAt % 1_000) * 1_000_000,
    },
  });
  expect(later).toMatchObject({ sequenceNumber: "", duplicate: false });
  expect(await t.send("later", { groupId: "g" })).toMatchObject({
    messageId: later.messageId,
    sequenceNumber: "",
    duplicate: true,
  });
  await t.send("now", { groupId: "g" });
  expect(bodiesOf(await t.receive({ max: 10, visibilityTimeoutMs: 1_000 }))).toEqual(["now"]);
  await t.advance(9_999);
  await t.send("after", { groupId: "h" });
  expect((await t.receive({ max: 10, visibilityTimeoutMs: 0 })).length).toBe(2);
  await t.advance(1);
  const received = await t.receive({ max: 10 });
  const ofGroup = received.filter(({ message }) => message.systemAttributes?.groupId === "g");
  expect(bodiesOf(ofGroup)).toEqual(["now", "later"]);
  const numbers = received
    .toSorted((a, b) => a.body.localeCompare(b.body))
    .map(({ body, message }) => [body, message.systemAttributes?.sequenceNumber ?? ""]);
  expect(numbers.map(([body]) => body)).toEqual(["after", "later", "now"]);
  const [after = "", laterNumber = "", now = ""] = numbers.map(([, number]) => number);
  expect([now, after, laterNumber]).toEqual([now, after, laterNumber].toSorted());
});
