// Rows that cannot be read any more: one of them ends nothing but the calls that need it. Whoever passes by many passes it
// over, says so once, and serves the rest.

import { expect, test } from "vitest";
import {
  breakRow,
  contradictions,
  isRequestRow,
  rowCount,
  rowsOf,
} from "../support/broken-rows.js";
import { consumer } from "../support/consumer.js";
import { deadLetterScenario } from "../support/dead-letters.js";
import { bodiesOf, type Scenario, scenario } from "../support/scenario.js";

const recordCorrupt = { code: "INTERNAL", reason: "RECORD_CORRUPT" };

const told = (t: Scenario): number =>
  t.logged.filter(({ message }) => message.startsWith("stored value is corrupt")).length;

/** The text of /metrics, refreshed as of now. */
async function metrics(t: Scenario): Promise<string> {
  const { host, port } = t.server.managementAddress;
  return await (await fetch(`http://${host}:${port}/metrics`)).text();
}

/** Records committed by the server that runs now. */
async function commitCount(t: Scenario): Promise<number> {
  const [, count] = /^forebay_store_commit_seconds_count (\d+)/m.exec(await metrics(t)) ?? [];
  if (count === undefined) throw new Error("The metrics do not count commits.");
  return Number(count);
}

test("a queue whose counters cannot be read answers so, and nothing else stands still for it", async () => {
  const t = await scenario({ queue: "broken", retentionMs: 60_000 });
  t.expectErrors();
  // Before and behind the broken one in the sweeper's order.
  for (const queue of ["alive", "zest"]) {
    await t.createQueue(queue, { retentionMs: 60_000 });
    await t.send("expires", { queue, requestId: queue });
    await t.createQueue(`${queue}-purged`);
    await t.send("purged", { queue: `${queue}-purged` });
  }
  await t.send("a", { queue: "broken" });
  await breakRow(t, rowsOf("broken", "counters"));
  for (const call of [
    () => t.send("b"),
    () => t.receive(),
    () => t.receive({ waitMs: 20_000 }),
    () => t.counters(),
    () => t.purge(),
  ]) {
    await expect(call()).rejects.toMatchObject(recordCorrupt);
  }
  const stream = await consumer(t);
  expect(await stream.ended).toMatchObject(recordCorrupt);

  // Others are served, also those who wait.
  const poll = await t.poll({ queue: "zest-purged", max: 10 });
  expect(bodiesOf(await poll.answer)).toEqual(["purged"]);
  for (const queue of ["alive", "zest"]) await t.purge(`${queue}-purged`);
  await t.advance(61_000);
  const before = await commitCount(t);
  await t.advance(10_000);
  // Expired and reaped without anybody asking for it; and then there is nothing left to do.
  expect(await commitCount(t)).toBe(before);
  const text = await metrics(t);
  for (const queue of ["alive", "zest"]) {
    expect(text).toMatch(
      new RegExp(`^forebay_queue_messages\\{queue="default/${queue}",state="visible"\\} 0$`, "m"),
    );
  }
  expect(text).not.toContain('queue="default/broken"');
  expect(told(t)).toBe(1);
  expect(t.logged.filter(({ message }) => message === "sweep failed")).toEqual([]);
  expect(t.logged.filter(({ message }) => message.includes("could not be counted"))).toEqual([]);
  // Results of request ids are forgotten, too, when their five minutes have passed.
  expect(await rowCount(t, isRequestRow)).toBe(2);
  await t.skip(300_000);
  await t.advance(2_000);
  expect(await rowCount(t, isRequestRow)).toBe(0);
  for (const queue of ["alive", "zest"])
    expect(await rowCount(t, rowsOf(queue, "message"))).toBe(0);
  for (const queue of ["alive-purged", "zest-purged"])
    expect(await rowCount(t, rowsOf(queue, "message"))).toBe(0);
  expect((await contradictions(t)).filter((line) => !line.includes("counters"))).toEqual([]);
  // The broken queue can be got rid of.
  await t.deleteQueue("broken");
  await t.createQueue("broken");
  expect(await t.counts("broken")).toBe("0/0/0");
});

test("a lease that cannot be read keeps its message, and only that", async () => {
  const t = await scenario({ visibilityTimeoutMs: 10_000 });
  t.expectErrors();
  await t.send("lost");
  await t.receiveOne();
  await breakRow(t, rowsOf(t.queue, "delivery"));
  await t.send("a");
  expect(bodiesOf(await t.receive({ max: 10, visibilityTimeoutMs: 0 }))).toEqual(["a"]);
  expect(await rowCount(t, rowsOf(t.queue, "due"))).toBe(1);
  // The lease would end in the middle of this wait.
  const { handle } = await t.receiveOne({ visibilityTimeoutMs: 43_200_000 });
  await t.delete(handle);
  const poll = await t.poll({ waitMs: 20_000 });
  await t.advance(11_000);
  const before = await commitCount(t);
  await t.advance(5_000);
  expect(await commitCount(t)).toBe(before);
  expect(poll.isAnswered).toBe(false);
  await t.send("b");
  expect(bodiesOf(await poll.answer)).toEqual(["b"]);
  // It is told of once and not due for ever: the one entry is b's.
  expect(told(t)).toBe(1);
  expect(await rowCount(t, rowsOf(t.queue, "due"))).toBe(1);
  // What waits behind it in the sweeper's order still ends in time.
  await t.createQueue("zest", { retentionMs: 60_000 });
  await t.send("expires", { queue: "zest" });
  await t.advance(61_000);
  expect(await rowCount(t, rowsOf("zest", "message"))).toBe(0);
  expect((await contradictions(t)).length).toBeGreaterThan(0);
});

for (const { name, delayMs } of [
  { name: "lease", delayMs: 0 },
  { name: "delay", delayMs: 10_000 },
]) {
  test(`a ${name} that cannot be read ends, its message expires, and no count is left of it`, async () => {
    const t = await scenario({
      visibilityTimeoutMs: 10_000,
      retentionMs: 60_000,
      inFlightMax: 1,
    });
    t.expectErrors();
    await t.send("lost", { delayMs });
    if (delayMs === 0) await t.receiveOne();
    const { inFlight, delayed } = await t.counters();
    expect(inFlight + delayed).toBe(1);
    await breakRow(t, rowsOf(t.queue, "delivery"));
    await t.advance(9_999);
    expect(await t.counters()).toMatchObject({ visible: 0, inFlight, delayed });
    await t.advance(1_001);
    expect(await t.counters()).toMatchObject({ visible: 1, inFlight: 0, delayed: 0 });
    // Of one queue, so that what expires first does not keep the other.
    await t.send("expires, too");
    await t.advance(60_000);
    expect(await t.counters()).toMatchObject({ stored: 0, visible: 0, expired: 2 });
    expect(await rowCount(t, rowsOf(t.queue, "message"))).toBe(0);
    // The last message of a queue returns to it as ever, and the limit of one in flight is whole.
    await t.send("a");
    for (const receiveCount of [1, 2, 3]) {
      expect(await t.receive({ visibilityTimeoutMs: 0 })).toMatchObject([
        { body: "a", receiveCount },
      ]);
    }
    expect(t.logged.filter(({ message }) => message === "sweep failed")).toEqual([]);
  });
}

test("a returned message whose count cannot be read is not served, and a wait for others is one look", async () => {
  const t = await scenario({ visibilityTimeoutMs: 10_000 });
  t.expectErrors();
  await t.send("lost");
  await t.receive({ visibilityTimeoutMs: 0 });
  await breakRow(t, rowsOf(t.queue, "delivery"));
  const poll = await t.poll({ waitMs: 20_000 });
  const before = await commitCount(t);
  await t.advance(10_000);
  expect(await commitCount(t)).toBe(before);
  expect(poll.isAnswered).toBe(false);
  await t.send("a");
  expect(bodiesOf(await poll.answer)).toEqual(["a"]);
  expect(told(t)).toBe(1);
});

for (const { name, lost, isPicked } of [
  { name: "a short message", lost: "lost", isPicked: rowsOf("orders", "message") },
  {
    name: "one piece of a long message",
    lost: "x".repeat(1_048_576),
    isPicked: rowsOf("orders", "chunk"),
  },
]) {
  test(`${name} that cannot be read is passed over, told of once, and stays on the list of a check`, async () => {
    const t = await scenario();
    t.expectErrors();
    await t.send(lost);
    await breakRow(t, isPicked);
    await t.sendBatch(["a", "b"]);
    expect(await t.peek()).toEqual(["visible a x0", "visible b x0"]);
    expect(bodiesOf(await t.receive({ max: 1 }))).toEqual(["a"]);
    const poll = await t.poll({ max: 10 });
    expect(bodiesOf(await poll.answer)).toEqual(["b"]);
    expect(await t.receive({ max: 10 })).toEqual([]);
    expect(await t.peek()).toEqual(["in flight a x1", "in flight b x1"]);
    expect(told(t)).toBe(1);
    for (let round = 0; round < 2; round += 1) {
      expect((await contradictions(t)).join("\n")).toMatch(/checksum|corrupt/);
    }
  });
}

const isQueueRow =
  (queue: string) =>
  (key: string): boolean =>
    key.startsWith("\x80") && key.endsWith(queue);

test.each([
  ["counters", rowsOf("dead", "counters")],
  ["settings", isQueueRow("dead")],
])("a dead-letter queue whose %s cannot be read does not stop its source", async (_, isPicked) => {
  const t = await deadLetterScenario({ after: 1 });
  t.expectErrors();
  await t.send("over the limit");
  await t.receive({ visibilityTimeoutMs: 0 });
  await breakRow(t, isPicked);
  await t.send("behind it");
  // It stays, as without its target, and is delivered again.
  expect(bodiesOf(await t.receive({ max: 10 }))).toEqual(["over the limit", "behind it"]);
  const { counters } = await t.call("getQueueAttributes", { queue: t.queue, names: [] });
  expect(counters?.deadLetterTargetMissingCount).toBe(1n);
  await t.send("rejected");
  const { handle } = await t.receiveOne();
  await expect(t.reject(handle, { reason: "r", isDeadLetter: true })).rejects.toMatchObject({
    reason: "DLQ_NOT_FOUND",
  });
  // Whoever looks after the server is told, once.
  await t.advance(2_000);
  expect(told(t)).toBe(1);
});
