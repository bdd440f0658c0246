// Standard queues: a message delivered as often as the policy allows goes to the dead-letter queue with the next receive that
// meets it (Q59, Q60, Q62).

import { expect, test } from "vitest";
import { DeadLetterReason } from "../../src/gen/forebay/queue/v1/message.js";
import { contradictions } from "../support/broken-rows.js";
import { consumer } from "../support/consumer.js";
import {
  deadLetterScenario,
  held,
  heldBodies,
  heldOne,
  sendToDeath,
  targetMissingCount,
  wearOut,
} from "../support/dead-letters.js";
import {
  bodiesOf,
  durationOf,
  msOf,
  type Received,
  type Scenario,
  scenario,
  turns,
} from "../support/scenario.js";

const hourMs = 3_600_000;
const mebibyte = 1_048_576;

const systemOf = ({ message }: Received) => message.systemAttributes;

/** As many messages as a test wants, more than calls of ten would be quick with. */
async function sendMany(t: Scenario, count: number): Promise<string[]> {
  const bodies = Array.from({ length: count }, (_, index) => `m${index}`);
  const stream = t.produce();
  for (let from = 0; from < count; from += 1_000) {
    const entries = bodies
      .slice(from, from + 1_000)
      .map((value) => ({ body: { $case: "text" as const, value } }));
    stream.write({ queue: t.queue, entries });
  }
  stream.halfClose();
  expect(await stream.ended).toBeUndefined();
  return bodies;
}

/** Delivers everything there is once, without a delete. */
async function deliverAll(t: Scenario, count: number): Promise<void> {
  const stream = await consumer(t, { messages: count });
  let delivered = 0;
  await stream.stream.until(() => {
    delivered = stream.stream.responses.reduce(
      (sum, { response }) =>
        sum + (response?.$case === "messages" ? response.value.messages.length : 0),
      0,
    );
    return delivered === count;
  });
  stream.stream.cancel();
  await stream.ended;
  // It gives so many back in several steps.
  for (let look = 0; (await t.counts()) !== `${count}/0/0`; look += 1) {
    if (look === 1_000) throw new Error("The stream does not give its messages back.");
    await t.settle();
  }
}

test("Q59 a message delivered twice goes to the dead-letter queue with the third receive, and is the same there", async () => {
  const t = await deadLetterScenario({ after: 2, visibilityTimeoutMs: 1_000 });
  await t.send("first in line", { queue: "dead" });
  const sentAt = t.now;
  const sent = await t.send("pay #7", {
    attributes: {
      tenant: "acme",
      size: { dataType: "Number.int", value: { $case: "stringValue", value: "007" } },
    },
    traceHeader: "Root=1-5759e988-bd862e3fe1be46a994272793",
  });
  for (const receiveCount of [1, 2]) {
    expect(await t.receiveOne()).toMatchObject({ body: "pay #7", receiveCount });
    await t.advance(1_000);
  }
  expect(await t.receive()).toEqual([]);
  expect(await t.counts()).toBe("0/0/0");
  expect(await t.counters()).toMatchObject({ sent: 1, received: 2, deadLettered: 1, deleted: 0 });
  expect(await t.counters("dead")).toMatchObject({ sent: 1, arrived: 1, visible: 2, received: 0 });

  const [, dead] = await t.receive({ queue: "dead", max: 10, attributes: ["All"] });
  expect(dead).toMatchObject({ id: sent.messageId, body: "pay #7", receiveCount: 3 });
  expect(dead?.message).toMatchObject({
    md5OfBody: sent.md5OfBody,
    md5OfAttributes: sent.md5OfAttributes,
    systemAttributes: {
      senderId: "key:default:dev",
      traceHeader: "Root=1-5759e988-bd862e3fe1be46a994272793",
      queueReceiveCount: 1,
      deadLetterSourceQueue: "orders",
      deadLetterReason: DeadLetterReason.MAX_RECEIVES,
    },
  });
  expect(dead?.message.attributes).toEqual(
    new Map([
      ["tenant", { dataType: "String", value: { $case: "stringValue", value: "acme" } }],
      ["size", { dataType: "Number.int", value: { $case: "stringValue", value: "007" } }],
    ]),
  );
  const system = dead?.message.systemAttributes;
  expect(msOf(system?.sendTime)).toBe(sentAt);
  expect(msOf(system?.deadLetterTime)).toBe(t.now);
  expect(system?.rejection).toBeUndefined();
  expect(system?.originalMessageId).toBeUndefined();
  expect(await contradictions(t)).toEqual([]);
});

test("Q59 the receive before the limit still delivers, and with nobody receiving nothing moves", async () => {
  const t = await deadLetterScenario({ after: 3, visibilityTimeoutMs: 1_000 });
  await t.send("work");
  for (const receiveCount of [1, 2, 3]) {
    expect(await t.receiveOne()).toMatchObject({ receiveCount });
    await t.advance(1_000);
  }
  await t.skip(24 * hourMs);
  await t.restart();
  expect(await t.peek()).toEqual(["visible work x3"]);
  expect(await t.counts()).toBe("1/0/0");
  expect(await t.counts("dead")).toBe("0/0/0");
  expect(await t.receive()).toEqual([]);
  expect(await t.counts("dead")).toBe("1/0/0");
});

test("Q59 after one delivery the dead-letter queue's first receive shows 2 in all and 1 of its own", async () => {
  const t = await deadLetterScenario({ after: 1 });
  await sendToDeath(t, ["work"]);
  const dead = await t.receiveOne({ queue: "dead" });
  expect(dead).toMatchObject({ body: "work", receiveCount: 2 });
  expect(systemOf(dead)?.queueReceiveCount).toBe(1);
});

test("Q60 one receive of at most one message moves all four that are over the limit", async () => {
  const t = await deadLetterScenario({ after: 1 });
  await t.sendBatch(["a", "b", "c", "d"]);
  await t.receive({ max: 10, visibilityTimeoutMs: 0 });
  expect(await t.counts()).toBe("4/0/0");
  expect(await t.receive({ max: 1 })).toEqual([]);
  expect(await t.counts()).toBe("0/0/0");
  expect(await heldBodies(t, "dead")).toEqual(["a", "b", "c", "d"]);
  expect(await t.counters()).toMatchObject({ deadLettered: 4, stored: 0, storedBytes: 0 });
  expect(await t.counters("dead")).toMatchObject({ arrived: 4, stored: 4, storedBytes: 4 });
  expect(await contradictions(t)).toEqual([]);
});

test("Q60 the receive that moves messages goes on to others, and leaves those behind what it takes", async () => {
  const t = await deadLetterScenario({ after: 1 });
  await t.sendBatch(["a", "b"]);
  await t.receive({ max: 10, visibilityTimeoutMs: 0 });
  await t.sendBatch(["x", "y"]);
  expect(bodiesOf(await t.receive({ max: 1 }))).toEqual(["x"]);
  expect(await heldBodies(t, "dead")).toEqual(["a", "b"]);
  expect(await t.counts()).toBe("1/1/0");
  expect(bodiesOf(await t.receive({ max: 10 }))).toEqual(["y"]);
});

test("Q60 one receive moves every message it passes, also more than one step looks at", async () => {
  const t = await deadLetterScenario({ after: 1 });
  const bodies = await sendMany(t, 2_500);
  await deliverAll(t, 2_500);
  await t.send("fresh");
  expect(bodiesOf(await t.receive({ waitMs: 20_000 }))).toEqual(["fresh"]);
  expect(await t.counts()).toBe("0/1/0");
  expect(await heldBodies(t, "dead")).toEqual(bodies);
  expect(await contradictions(t)).toEqual([]);
}, 60_000);

test("only receives count, not changes of visibility, whoever ended the lease", async () => {
  const t = await deadLetterScenario({ after: 3 });
  await t.send("work");
  const { handle } = await t.receiveOne();
  for (const timeoutMs of [10_000, 20_000, 5_000, 30_000]) {
    await t.changeVisibility(handle, timeoutMs);
  }
  await t.changeVisibility(handle, 0);
  // A receive with a timeout of 0 counts.
  expect(await t.receiveOne({ visibilityTimeoutMs: 0 })).toMatchObject({ receiveCount: 2 });
  // So does one that a stream nacks.
  const stream = await consumer(t, { messages: 1 });
  const [third] = await stream.messages();
  expect(third).toMatchObject({ body: "work", receiveCount: 3 });
  stream.nack([third?.handle ?? ""]);
  expect(await stream.outcomes()).toEqual(["visible in 0"]);
  stream.stream.cancel();
  await stream.ended;
  expect(await t.receive()).toEqual([]);
  expect(await heldBodies(t, "dead")).toEqual(["work"]);
});

test("a lower limit acts with the next receive, a higher one delivers more often", async () => {
  const t = await deadLetterScenario({ after: 5 });
  const receive = async () => bodiesOf(await t.receive({ visibilityTimeoutMs: 0 }));
  await t.send("work");
  for (let delivery = 1; delivery <= 3; delivery += 1) expect(await receive()).toEqual(["work"]);
  await t.setQueue({ redrive: { to: "dead", after: 4 } });
  expect(await receive()).toEqual(["work"]);
  await t.setQueue({ redrive: { to: "dead", after: 5 } });
  expect(await receive()).toEqual(["work"]);
  await t.setQueue({ redrive: { to: "dead", after: 2 } });
  // Until somebody receives, it stays where it is.
  await t.skip(hourMs);
  expect(await t.counts()).toBe("1/0/0");
  expect(await receive()).toEqual([]);
  expect(await heldBodies(t, "dead")).toEqual(["work"]);
});

test("a message over the limit is delivered as ever once the policy is removed, and moved once it is back", async () => {
  const t = await deadLetterScenario({ after: 1 });
  await t.send("work");
  await t.receive({ visibilityTimeoutMs: 0 });
  await t.setQueue({ redrive: "none" });
  for (const receiveCount of [2, 3]) {
    expect(await t.receiveOne({ visibilityTimeoutMs: 0 })).toMatchObject({ receiveCount });
  }
  await t.setQueue({ redrive: { to: "dead", after: 4 } });
  expect(await t.receiveOne({ visibilityTimeoutMs: 0 })).toMatchObject({ receiveCount: 4 });
  expect(await t.receive()).toEqual([]);
  expect(await heldBodies(t, "dead")).toEqual(["work"]);
});

test("a policy set late judges messages by all their deliveries in this queue", async () => {
  const t = await scenario();
  await t.createQueue("dead");
  await t.sendBatch(["old", "new"]);
  for (let delivery = 0; delivery < 2; delivery += 1) {
    await t.receive({ visibilityTimeoutMs: 0 });
  }
  await t.setQueue({ redrive: { to: "dead", after: 2 } });
  expect(bodiesOf(await t.receive({ max: 10 }))).toEqual(["new"]);
  expect(await heldBodies(t, "dead")).toEqual(["old"]);
});

test("the policy in force at the receive says where a message goes", async () => {
  const t = await deadLetterScenario({ after: 1 });
  await t.createQueue("grave");
  await t.send("work");
  await t.receive({ visibilityTimeoutMs: 0 });
  await t.setQueue({ redrive: { to: "grave", after: 1 } });
  expect(await t.receive()).toEqual([]);
  expect(await heldBodies(t, "dead")).toEqual([]);
  expect(await heldBodies(t, "grave")).toEqual(["work"]);
});

test.each(["lenient", "strict"] as const)(
  "a handle from before the move finds its message gone, %s: the copy lives on",
  async (receiptPolicy) => {
    const t = await deadLetterScenario({ after: 2, receiptPolicy, dead: { receiptPolicy } });
    await t.send("work");
    const older = await t.receiveOne({ visibilityTimeoutMs: 0 });
    const newest = await t.receiveOne({ visibilityTimeoutMs: 0 });
    expect(await t.receive()).toEqual([]);
    for (const { handle } of [newest, older]) {
      for (let time = 0; time < 2; time += 1) {
        expect(await t.delete(handle)).toBe("ALREADY_GONE");
        await expect(t.changeVisibility(handle, 0)).rejects.toMatchObject({
          code: "NOT_FOUND",
          reason: "MESSAGE_NOT_FOUND",
        });
      }
      // It is a handle of the queue it came from, and of no other.
      await expect(t.delete(handle, "dead")).rejects.toMatchObject({
        code: "INVALID_ARGUMENT",
        reason: "RECEIPT_HANDLE_INVALID",
      });
    }
    expect(await heldBodies(t, "dead")).toEqual(["work"]);
    expect(await t.counters()).toMatchObject({ deleted: 0, deadLettered: 1 });
  },
);

test("handles of one batch: what moved is gone, what stayed is deleted", async () => {
  const t = await deadLetterScenario({ after: 1 });
  await t.sendBatch(["moved", "leased"]);
  const [moved] = await t.receive({ visibilityTimeoutMs: 0 });
  const leased = await t.receiveOne();
  expect(leased.body).toBe("leased");
  const { successful } = await t.call("deleteMessageBatch", {
    queue: t.queue,
    entries: [
      { id: "0", receiptHandle: moved?.handle ?? "" },
      { id: "1", receiptHandle: leased.handle },
    ],
  });
  expect(successful.map(({ outcome }) => outcome)).toEqual([2, 1]);
  expect(await heldBodies(t, "dead")).toEqual(["moved"]);
});

test("bodies of any size and kind arrive byte for byte", async () => {
  const t = await deadLetterScenario({ after: 1 });
  const bytes = Buffer.alloc(mebibyte, 0xfe);
  bytes.writeUInt32BE(0x00ff00ff, 500_000);
  const text = `ä\t\r\n😀${"x".repeat(20_000)}`;
  await t.send(bytes);
  await t.send(text);
  await wearOut(t);
  const [data] = await t.receive({ queue: "dead" });
  const [words] = await t.receive({ queue: "dead" });
  expect(data?.message.body?.$case).toBe("data");
  expect(bytes.equals(Buffer.from(data?.message.body?.value ?? ""))).toBe(true);
  expect(words?.message.body).toEqual({ $case: "text", value: text });
  expect(await t.counters()).toMatchObject({ storedBytes: 0 });
  expect(await t.counters("dead")).toMatchObject({
    storedBytes: mebibyte + Buffer.byteLength(text),
  });
  for (const dead of [data, words]) await t.delete(dead?.handle ?? "", "dead");
  expect(await t.counters("dead")).toMatchObject({ storedBytes: 0, deleted: 2 });
  expect(await contradictions(t)).toEqual([]);
});

test("a dead letter has no lease and no delay: it is there at once, whatever the dead-letter queue's delay", async () => {
  const t = await deadLetterScenario({ after: 1, dead: { delayMs: 900_000 } });
  await t.send("work", { delayMs: 10_000 });
  await t.advance(10_000);
  await wearOut(t);
  expect(await t.counts("dead")).toBe("1/0/0");
  expect(bodiesOf(await t.receive({ queue: "dead" }))).toEqual(["work"]);
});

test("the limits of a dead-letter queue do not keep arrivals out", async () => {
  const t = await deadLetterScenario({
    after: 1,
    dead: { messageBytesMax: 1_024, inFlightMax: 1 },
  });
  await t.setQueue({ redriveAllow: "nobody" }, "dead");
  await t.call("setQueueAttributes", { queue: "dead", attributes: { deliveryPaused: true } });
  const attributes = Object.fromEntries(
    Array.from({ length: 10 }, (_, index) => [`name-${index}`, "v".repeat(100)]),
  );
  const long = "x".repeat(5_000);
  await t.send(long, { attributes });
  await wearOut(t);
  expect(await heldBodies(t, "dead")).toEqual([long]);
  await expect(t.send(long, { queue: "dead" })).rejects.toMatchObject({
    reason: "MESSAGE_TOO_LONG",
  });
  await t.call("setQueueAttributes", { queue: "dead", attributes: { deliveryPaused: false } });
  const received = await t.receive({ queue: "dead", attributes: ["All"] });
  expect(received[0]?.message.attributes.size).toBe(10);
});

test("retention of a dead letter runs from the original send", async () => {
  const t = await deadLetterScenario({
    after: 1,
    retentionMs: 600_000,
    dead: { retentionMs: 120_000 },
  });
  await t.send("work");
  await t.skip(90_000);
  await wearOut(t);
  const { expireTime } = await heldOne(t, "dead");
  expect(msOf(expireTime)).toBe(t.now + 30_000);
  await t.skip(29_999);
  expect(await t.counts("dead")).toBe("1/0/0");
  await t.advance(1);
  expect(await t.receive({ queue: "dead" })).toEqual([]);
  expect(await t.counters("dead")).toMatchObject({ arrived: 1, expired: 1, stored: 0 });
});

test.each([
  ["one millisecond before", 119_999, 1],
  ["at", 120_000, 0],
  ["long after", 500_000, 0],
])(
  "a message that moves %s the end of the dead-letter queue's retention",
  async (_, ageMs, storedCount) => {
    const t = await deadLetterScenario({
      after: 1,
      retentionMs: 600_000,
      dead: { retentionMs: 120_000 },
    });
    await t.send("work");
    await t.receive({ visibilityTimeoutMs: 0 });
    await t.skip(ageMs);
    const poll = await t.poll({ queue: "dead" });
    expect(await t.receive()).toEqual([]);
    await t.settle();
    expect(poll.isAnswered).toBe(storedCount === 1);
    poll.cancel();
    await t.settle();
    await t.settle();
    expect(await t.counters()).toMatchObject({ stored: 0, storedBytes: 0, deadLettered: 1 });
    expect(await t.counters("dead")).toMatchObject({
      arrived: 1,
      stored: storedCount,
      storedBytes: storedCount * 4,
      expired: 1 - storedCount,
    });
    expect(await contradictions(t)).toEqual([]);
  },
);

test("an old dead letter expires at its own time among younger messages, wherever it stands among them", async () => {
  const t = await deadLetterScenario({
    after: 1,
    retentionMs: 600_000,
    dead: { retentionMs: 120_000 },
  });
  await t.send("old");
  await t.skip(50_000);
  await t.send("straight", { queue: "dead" });
  await t.skip(50_000);
  await t.send("young");
  await t.receive({ max: 10, visibilityTimeoutMs: 0 });
  expect(await t.receive()).toEqual([]);
  const bodies = async () => (await heldBodies(t, "dead")).sort();
  expect(await bodies()).toEqual(["old", "straight", "young"]);
  await t.skip(19_999);
  expect(await bodies()).toEqual(["old", "straight", "young"]);
  // A leap: nobody has swept when the next call looks.
  await t.leap(1);
  expect(await bodies()).toEqual(["straight", "young"]);
  expect(await t.counts("dead")).toBe("2/0/0");
  expect(await t.counters("dead")).toMatchObject({ expired: 1, stored: 2 });
  await t.skip(49_999);
  expect(await t.counts("dead")).toBe("2/0/0");
  await t.advance(1);
  expect(bodiesOf(await t.receive({ queue: "dead", max: 10, visibilityTimeoutMs: 0 }))).toEqual([
    "young",
  ]);
  await t.skip(50_000);
  expect(await t.counters("dead")).toMatchObject({ expired: 3, stored: 0 });
  expect(await contradictions(t)).toEqual([]);
});

test("a dead letter keeps its priority, and the end of its own time to live", async () => {
  const t = await deadLetterScenario({ after: 1 });
  await t.call("sendMessage", {
    queue: t.queue,
    body: { $case: "text", value: "urgent" },
    priority: 7,
    timeToLive: durationOf(100_000),
  });
  const endsAt = t.now + 100_000;
  await t.skip(40_000);
  await wearOut(t);
  const dead = await heldOne(t, "dead");
  expect(dead.systemAttributes?.priority).toBe(7);
  expect(msOf(dead.systemAttributes?.timeToLiveEndTime)).toBe(endsAt);
  expect(msOf(dead.expireTime)).toBe(endsAt);
  await t.skip(59_999);
  expect(await t.counts("dead")).toBe("1/0/0");
  await t.skip(1);
  expect(await t.receive({ queue: "dead" })).toEqual([]);
  expect(await t.counters("dead")).toMatchObject({ arrived: 1, expired: 1, stored: 0 });
});

test("an expired message is not moved: it is gone where it was", async () => {
  const t = await deadLetterScenario({ after: 1, retentionMs: 60_000 });
  await t.sendBatch(["a", "b"]);
  await t.receive({ max: 10, visibilityTimeoutMs: 0 });
  await t.leap(60_000);
  expect(await t.receive()).toEqual([]);
  expect(await t.counters()).toMatchObject({ expired: 2, deadLettered: 0 });
  expect(await t.counters("dead")).toMatchObject({ arrived: 0, stored: 0 });
});

test("Q62 without its dead-letter queue a message stays, is delivered again and counted", async () => {
  const t = await deadLetterScenario({ after: 2, visibilityTimeoutMs: 1_000 });
  await t.send("work");
  await t.deleteQueue("dead");
  for (const receiveCount of [1, 2, 3, 4, 5]) {
    const received = await t.receiveOne();
    expect(received).toMatchObject({ body: "work", receiveCount });
    expect(systemOf(received)?.queueReceiveCount).toBe(receiveCount);
    expect(await targetMissingCount(t)).toBe(Math.max(0, receiveCount - 2));
    await t.advance(1_000);
  }
  expect(await t.counters()).toMatchObject({ stored: 1, deadLettered: 0, received: 5 });
  // It moves once there is somewhere to go.
  await t.createQueue("dead");
  expect(await t.receive()).toEqual([]);
  expect(await t.receiveOne({ queue: "dead" })).toMatchObject({ body: "work", receiveCount: 6 });
  expect(await targetMissingCount(t)).toBe(3);
});

test("Q62 a message that does not fit into an answer is not counted as one that could not move", async () => {
  const t = await deadLetterScenario({ after: 1 });
  await t.sendBatch(["x".repeat(40), "y".repeat(40)]);
  await t.receive({ max: 10, visibilityTimeoutMs: 0 });
  await t.deleteQueue("dead");
  expect(await t.receive({ max: 10, maxBytes: 79, visibilityTimeoutMs: 0 })).toHaveLength(1);
  expect(await targetMissingCount(t)).toBe(1);
  expect(await t.receive({ max: 10, maxBytes: 80 })).toHaveLength(2);
  expect(await targetMissingCount(t)).toBe(3);
});

test("Q62 messages without a dead-letter queue stand in nobody's way, and survive a restart", async () => {
  const t = await deadLetterScenario({ after: 1 });
  await t.sendBatch(["a", "b"]);
  await t.receive({ max: 10, visibilityTimeoutMs: 0 });
  await t.deleteQueue("dead");
  await t.send("fresh");
  expect(bodiesOf(await t.receive({ max: 10, visibilityTimeoutMs: 0 }))).toEqual([
    "a",
    "b",
    "fresh",
  ]);
  await t.crash();
  expect(await targetMissingCount(t)).toBe(2);
  expect((await t.receive({ max: 10 })).map(({ receiveCount }) => receiveCount)).toEqual([3, 3, 2]);
});

test("a dead-letter queue may have one itself: counts begin anew in each, the total goes on", async () => {
  const t = await scenario({ create: "none" });
  await t.createQueue("grave");
  await t.createQueue("dead", { redrive: { to: "grave", after: 2 } });
  await t.createQueue("orders", { redrive: { to: "dead", after: 1 } });
  const { messageId } = await t.send("work");
  const seen: (readonly unknown[])[] = [];
  for (const queue of ["orders", "orders", "dead", "dead", "dead", "grave", "grave", "grave"]) {
    const received = await t.receive({ queue, visibilityTimeoutMs: 0 });
    for (const message of received) {
      expect(message.id).toBe(messageId);
      const system = systemOf(message);
      seen.push([
        queue,
        message.receiveCount,
        system?.queueReceiveCount,
        system?.deadLetterSourceQueue,
      ]);
    }
  }
  expect(seen).toEqual([
    ["orders", 1, 1, undefined],
    ["dead", 2, 1, "orders"],
    ["dead", 3, 2, "orders"],
    ["grave", 4, 1, "dead"],
    ["grave", 5, 2, "dead"],
    ["grave", 6, 3, "dead"],
  ]);
  expect(await t.counters("dead")).toMatchObject({ arrived: 1, deadLettered: 1, stored: 0 });
  expect(await contradictions(t)).toEqual([]);
});

test("two queues may be each other's dead-letter queue", async () => {
  const t = await scenario({ create: "none" });
  await t.createQueue("a");
  await t.createQueue("b", { redrive: { to: "a", after: 1 } });
  await t.setQueue({ redrive: { to: "b", after: 1 } }, "a");
  await t.send("ball", { queue: "a" });
  for (const [queue, receiveCount] of [
    ["a", 1],
    ["b", 2],
    ["a", 3],
    ["b", 4],
  ] as const) {
    expect(await t.receiveOne({ queue, visibilityTimeoutMs: 0 })).toMatchObject({ receiveCount });
    expect(await t.receive({ queue })).toEqual([]);
  }
  expect(await t.counters("a")).toMatchObject({ sent: 1, arrived: 2, deadLettered: 2, stored: 1 });
  expect(await t.counters("b")).toMatchObject({ sent: 0, arrived: 2, deadLettered: 2, stored: 0 });
  expect(await contradictions(t)).toEqual([]);
});

test("a queue that names itself sends messages over the limit to its back, with a fresh count of its own", async () => {
  const t = await scenario();
  await t.setQueue({ redrive: { to: "orders", after: 1 } });
  const { messageId } = await t.send("poison");
  await t.sendBatch(["x", "y"]);
  const { handle } = await t.receiveOne({ visibilityTimeoutMs: 0 });
  expect(bodiesOf(await t.receive())).toEqual(["x"]);
  expect(await t.counts()).toBe("2/1/0");
  expect(await t.counters()).toMatchObject({ sent: 3, deadLettered: 1, arrived: 1, stored: 3 });
  // The old handle was of the message before it moved.
  expect(await t.delete(handle)).toBe("ALREADY_GONE");
  await expect(t.changeVisibility(handle, 0)).rejects.toMatchObject({
    reason: "MESSAGE_NOT_FOUND",
  });
  await t.send("z");
  expect(await t.order()).toEqual(["y", "poison", "z"]);
  const [, again] = await t.receive({ max: 2, visibilityTimeoutMs: 0 });
  expect(again).toMatchObject({ id: messageId, body: "poison", receiveCount: 2 });
  expect(again?.message.systemAttributes).toMatchObject({
    queueReceiveCount: 1,
    deadLetterSourceQueue: "orders",
    deadLetterReason: DeadLetterReason.MAX_RECEIVES,
  });
  expect(await contradictions(t)).toEqual([]);
});

test("a queue that names itself and holds nothing fresh ends its receives", async () => {
  const t = await scenario();
  await t.setQueue({ redrive: { to: "orders", after: 1 } });
  await t.sendBatch(["a", "b", "c"]);
  for (let round = 0; round < 5; round += 1) {
    await t.receive({ max: 10, visibilityTimeoutMs: 0 });
    expect(await t.counts()).toBe("3/0/0");
  }
  const { deadLettered, arrived } = await t.counters();
  expect(deadLettered).toBe(arrived);
  expect(deadLettered).toBeGreaterThan(0);
  expect((await heldBodies(t, "orders")).sort()).toEqual(["a", "b", "c"]);
  expect(await contradictions(t)).toEqual([]);
});

test("a waiter at the source moves what comes back to it, and goes on waiting", async () => {
  const t = await deadLetterScenario({ after: 1, visibilityTimeoutMs: 1_000 });
  await t.send("work");
  await t.receive();
  const poll = await t.poll();
  await t.advance(999);
  expect(await t.counts()).toBe("0/1/0");
  await t.advance(1);
  expect(poll.isAnswered).toBe(false);
  expect(await t.counts()).toBe("0/0/0");
  expect(await heldBodies(t, "dead")).toEqual(["work"]);
  await t.send("fresh");
  expect(await poll.answer).toMatchObject([{ body: "fresh", receiveCount: 1 }]);
});

test("a stream at the source moves what comes back to it, and goes on", async () => {
  const t = await deadLetterScenario({ after: 1, visibilityTimeoutMs: 1_000 });
  await t.send("work");
  await t.receive();
  const stream = await consumer(t);
  await t.advance(1_000);
  expect(await heldBodies(t, "dead")).toEqual(["work"]);
  await t.send("fresh");
  expect(await stream.messages()).toMatchObject([{ body: "fresh", receiveCount: 1 }]);
});

test("an arrival wakes the waiters of the dead-letter queue, oldest first, and its streams", async () => {
  const t = await deadLetterScenario({ after: 1 });
  await t.sendBatch(["a", "b", "c", "d"]);
  await t.receive({ max: 10, visibilityTimeoutMs: 0 });
  const polls = [await t.poll({ queue: "dead" }), await t.poll({ queue: "dead" })];
  const stream = await consumer(t, { queue: "dead", messages: 1 });
  const last = await t.poll({ queue: "dead" });
  const arrivedAt = t.now;
  expect(await t.receive()).toEqual([]);
  await t.settle();
  expect(await Promise.all(polls.map(({ answer }) => answer))).toMatchObject([
    [{ body: "a", receiveCount: 2 }],
    [{ body: "b", receiveCount: 2 }],
  ]);
  expect(polls.map((poll) => poll.answeredAt)).toEqual([arrivedAt, arrivedAt]);
  expect(await stream.messages()).toMatchObject([{ body: "c", receiveCount: 2 }]);
  expect(bodiesOf(await last.answer)).toEqual(["d"]);
  expect(await t.counts("dead")).toBe("0/4/0");
});

test("a waiter at each end of a chain is woken in the same instant", async () => {
  const t = await scenario({ create: "none" });
  await t.createQueue("grave");
  await t.createQueue("dead", { redrive: { to: "grave", after: 1 } });
  await t.createQueue("orders", { visibilityTimeoutMs: 1_000, redrive: { to: "dead", after: 1 } });
  await t.send("work");
  await t.receive();
  const source = await t.poll();
  const dead = await t.poll({ queue: "dead", visibilityTimeoutMs: 2_000 });
  const grave = await t.poll({ queue: "grave" });
  await t.advance(1_000);
  expect(bodiesOf(await dead.answer)).toEqual(["work"]);
  const deadAgain = await t.poll({ queue: "dead" });
  await t.advance(1_999);
  expect(grave.isAnswered).toBe(false);
  await t.advance(1);
  expect(await grave.answer).toMatchObject([{ body: "work", receiveCount: 3 }]);
  expect([source.isAnswered, deadAgain.isAnswered]).toEqual([false, false]);
});

test("a receive that is cancelled on its way loses nothing: what moved has moved, what it leased is given back", async () => {
  const t = await deadLetterScenario({ after: 1 });
  const seen = { moved: 0, untouched: 0, tooLate: 0 };
  for (let round = 0; round < 24; round += 1) {
    await t.purge();
    await t.purge("dead");
    await t.sendBatch(["over 1", "over 2"]);
    await t.receive({ max: 10, visibilityTimeoutMs: 0 });
    await t.send("fresh");
    const cancelledBefore = await t.callCount("ReceiveMessage", "CANCELLED");
    const call = new AbortController();
    const answer = t.receive({ max: 10 }, { signal: call.signal }).catch(() => undefined);
    await turns(round % 12);
    call.abort();
    await answer;
    await t.settle();
    await t.settle();
    const source = (await held(t, "orders")).map(
      ({ body, systemAttributes }) => `${body?.value} x${systemAttributes?.receiveCount ?? 0}`,
    );
    const dead = await heldBodies(t, "dead");
    if (dead.length === 0) {
      expect(source).toEqual(["over 1 x1", "over 2 x1", "fresh x0"]);
      seen.untouched += 1;
    } else {
      expect(dead).toEqual(["over 1", "over 2"]);
      const isTooLate = source[0] === "fresh x1";
      expect(source).toEqual([isTooLate ? "fresh x1" : "fresh x0"]);
      if (isTooLate) {
        expect(await t.callCount("ReceiveMessage", "CANCELLED")).toBe(cancelledBefore);
      }
      seen[isTooLate ? "tooLate" : "moved"] += 1;
    }
    await t.counters();
    await t.counters("dead");
  }
  expect(seen.moved).toBeGreaterThan(0);
  expect(await contradictions(t)).toEqual([]);
});

test("a lease that is undone does not count: the message is delivered once more", async () => {
  const t = await deadLetterScenario({ after: 1 });
  let undoneCount = 0;
  for (let round = 0; round < 24; round += 1) {
    await t.purge();
    await t.send("work");
    const before = await t.counters();
    const call = new AbortController();
    const answer = t.receive({}, { signal: call.signal }).catch(() => undefined);
    await turns(round % 12);
    call.abort();
    const got = await answer;
    await t.settle();
    await t.settle();
    if (got !== undefined || (await t.counters()).received > before.received) continue;
    undoneCount += 1;
    expect(await t.receiveOne()).toMatchObject({ body: "work", receiveCount: 1 });
  }
  expect(undoneCount).toBeGreaterThan(0);
  expect(await t.counters("dead")).toMatchObject({ arrived: 0 });
});

test("a receive repeated under its request id gives nothing that has moved since", async () => {
  const t = await deadLetterScenario({ after: 1 });
  await t.sendBatch(["a", "b"]);
  const request = { max: 2, visibilityTimeoutMs: 1_000, requestId: "r1" };
  expect(await t.receive(request)).toHaveLength(2);
  await t.advance(1_000);
  expect(await t.receive()).toEqual([]);
  expect(await t.receive(request)).toEqual([]);
  expect(await heldBodies(t, "dead")).toEqual(["a", "b"]);
});

test("peeking moves nothing", async () => {
  const t = await deadLetterScenario({ after: 1 });
  await t.send("work");
  await t.receive({ visibilityTimeoutMs: 0 });
  expect(await t.peek()).toEqual(["visible work x1"]);
  expect(await t.peek()).toEqual(["visible work x1"]);
  expect(await t.counters("dead")).toMatchObject({ arrived: 0 });
});

test("dead letters of several sources meet in one queue, each with its own source", async () => {
  const t = await deadLetterScenario({ after: 1 });
  await t.createQueue("bills", { redrive: { to: "dead", after: 1 } });
  await sendToDeath(t, ["order"]);
  await sendToDeath(t, ["bill"], { queue: "bills" });
  const dead = await held(t, "dead");
  expect(
    dead.map(({ body, systemAttributes }) => [
      body?.value,
      systemAttributes?.deadLetterSourceQueue,
    ]),
  ).toEqual([
    ["order", "orders"],
    ["bill", "bills"],
  ]);
  expect(await t.counters("dead")).toMatchObject({ arrived: 2 });
});

test("dead letters stay when their source is purged or deleted, and still name it", async () => {
  const t = await deadLetterScenario({ after: 1 });
  await t.sendBatch(["dead", "over the limit"]);
  await t.receive({ visibilityTimeoutMs: 0 });
  await t.receive({ visibilityTimeoutMs: 0 });
  expect(await heldBodies(t, "dead")).toEqual(["dead"]);
  expect(await t.purge()).toBe(1);
  expect(await t.receive()).toEqual([]);
  await t.deleteQueue();
  await t.createQueue(t.queue);
  expect(await t.receive()).toEqual([]);
  const dead = await heldOne(t, "dead");
  expect(dead.body?.value).toBe("dead");
  expect(dead.systemAttributes?.deadLetterSourceQueue).toBe("orders");
});

test("a dead-letter queue that is purged, or deleted and created again, holds what came since", async () => {
  const t = await deadLetterScenario({ after: 1 });
  await sendToDeath(t, ["a"]);
  expect(await t.purge("dead")).toBe(1);
  await sendToDeath(t, ["b"]);
  expect(await heldBodies(t, "dead")).toEqual(["b"]);
  expect(await t.counters("dead")).toMatchObject({ arrived: 2, purged: 1, stored: 1 });
  const { handle } = await t.receiveOne({ queue: "dead" });
  await t.deleteQueue("dead");
  await t.createQueue("dead");
  await sendToDeath(t, ["c"]);
  expect(await heldBodies(t, "dead")).toEqual(["c"]);
  expect(await t.counters("dead")).toMatchObject({ arrived: 1, stored: 1 });
  await expect(t.delete(handle, "dead")).rejects.toMatchObject({
    reason: "RECEIPT_HANDLE_INVALID",
  });
  expect(await contradictions(t)).toEqual([]);
});

test("a move holds over a restart and a crash, in both queues", async () => {
  const t = await deadLetterScenario({ after: 1 });
  await t.sendBatch(["a", "b"]);
  await t.receive({ max: 10, visibilityTimeoutMs: 0 });
  await t.send("fresh");
  const [fresh] = await t.receive({ visibilityTimeoutMs: 600_000 });
  const state = async () => ({
    source: await held(t, "orders"),
    dead: await held(t, "dead"),
    counters: [await t.counters("orders"), await t.counters("dead")],
  });
  const before = await state();
  expect(before.dead).toHaveLength(2);
  for (const again of [() => t.crash(), () => t.restart()]) {
    await again();
    expect(await state()).toEqual(before);
  }
  expect(await t.delete(fresh?.handle ?? "")).toBe("DELETED");
  expect(bodiesOf(await t.receive({ queue: "dead", max: 10 }))).toEqual(["a", "b"]);
  expect(await contradictions(t)).toEqual([]);
});

test("a dead letter is received, returned and deleted in its queue as any message", async () => {
  const t = await deadLetterScenario({ after: 1, dead: { visibilityTimeoutMs: 5_000 } });
  await sendToDeath(t, ["a", "b"]);
  await t.send("straight", { queue: "dead" });
  const first = await t.receive({ queue: "dead", max: 10 });
  expect(bodiesOf(first)).toEqual(["a", "b", "straight"]);
  await t.advance(4_999);
  expect(await t.receive({ queue: "dead" })).toEqual([]);
  await t.advance(1);
  const again = await t.receive({ queue: "dead", max: 10 });
  expect(again.map(({ body, receiveCount }) => `${body} ${receiveCount}`)).toEqual([
    "a 3",
    "b 3",
    "straight 2",
  ]);
  for (const { handle } of again) expect(await t.delete(handle, "dead")).toBe("DELETED");
  expect(await t.counts("dead")).toBe("0/0/0");
  expect(await contradictions(t)).toEqual([]);
});
