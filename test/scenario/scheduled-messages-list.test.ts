// Messages to come as a list: looked at, cancelled, kept over restarts, dropped with a purge or their queue.

import { describe, expect, test } from "vitest";
import { breakRow, rowsOf } from "../support/broken-rows.js";
import {
  attributesOf,
  bodiesOf,
  fifoScenario,
  type Scenario,
  scenario,
} from "../support/scenario.js";
import {
  cancelScheduled,
  scheduledBodies,
  scheduledCount,
  scheduledPage,
  sendFor,
} from "../support/scheduled.js";

const minuteMs = 60_000;

/** Messages named by their minute. */
async function sendAt(t: Scenario, ...minutes: number[]): Promise<string[]> {
  const ids: string[] = [];
  for (const minute of minutes) {
    ids.push((await sendFor(t, String(minute), t.now + minute * minuteMs)).messageId);
  }
  return ids;
}

describe("the list", () => {
  test("has the earliest first, whatever the order they were sent in", async () => {
    const t = await scenario();
    await sendAt(t, 30, 5, 20_000, 1);
    expect(await scheduledBodies(t)).toEqual([["1", "5", "30", "20000"]]);
  });

  test("shows all there is to know of each", async () => {
    const t = await scenario();
    const at = t.now + minuteMs;
    const { messageId } = await sendFor(t, "later", at, {
      attributes: { kind: "report" },
      groupId: "tenant",
    });
    const sentAt = t.now;
    await t.advance(10_000);
    const { messages } = await scheduledPage(t);
    expect(messages).toEqual([
      {
        id: messageId,
        body: "later",
        deliverAt: at,
        sentAt,
        bodyBytes: 5,
        attributes: attributesOf({ kind: "report" }),
        groupId: "tenant",
      },
    ]);
  });

  test("is read page by page: ten if nothing is asked for", async () => {
    const t = await scenario();
    const minutes = Array.from({ length: 25 }, (_, index) => index + 1);
    await sendAt(t, ...minutes);
    const bodies = minutes.map(String);
    expect(await scheduledBodies(t)).toEqual([
      bodies.slice(0, 10),
      bodies.slice(10, 20),
      bodies.slice(20),
    ]);
    expect(await scheduledBodies(t, { pageSize: 25 })).toEqual([bodies]);
    expect(await scheduledBodies(t, { pageSize: 24 })).toEqual([
      bodies.slice(0, 24),
      bodies.slice(24),
    ]);
    expect((await scheduledBodies(t, { pageSize: 1 })).flat()).toEqual(bodies);
  });

  test("of messages of one time shows each once", async () => {
    const t = await scenario();
    const at = t.now + minuteMs;
    for (let index = 0; index < 7; index += 1) await sendFor(t, String(index), at);
    expect((await scheduledBodies(t, { pageSize: 2 })).flat()).toEqual([..."0123456"]);
  });

  test("goes on where it was, whatever came, was cancelled or joined meanwhile", async () => {
    const t = await scenario();
    const ids = await sendAt(t, 1, 2, 3, 4, 5, 6);
    const { token } = await scheduledPage(t, { pageSize: 2 });
    await cancelScheduled(t, ids[2] ?? "");
    await sendFor(t, "4.5", t.now + 4.5 * minuteMs);
    await sendFor(t, "0.5", t.now + 0.5 * minuteMs);
    const rest = await scheduledPage(t, { pageToken: token });
    expect(bodiesOf(rest.messages)).toEqual(["4", "4.5", "5", "6"]);
    await t.leap(4.7 * minuteMs);
    expect(bodiesOf((await scheduledPage(t, { pageToken: token })).messages)).toEqual(["5", "6"]);
  });

  test("holds none whose time has come, also while nobody has looked at the queue", async () => {
    const t = await scenario();
    await sendAt(t, 1, 2);
    await t.leap(minuteMs - 1);
    expect(await scheduledBodies(t)).toEqual([["1", "2"]]);
    await t.leap(1);
    expect(await scheduledBodies(t)).toEqual([["2"]]);
  });

  test("cuts bodies as a peek does", async () => {
    const t = await scenario();
    await sendFor(t, "Grüße", t.now + minuteMs);
    await sendFor(t, Buffer.from([1, 2, 3, 4]), t.now + 2 * minuteMs);
    const { messages } = await scheduledPage(t, { bodyBytesMax: 3 });
    expect(messages).toMatchObject([
      { body: "Gr", bodyBytes: 7 },
      { body: "\u0001\u0002\u0003", bodyBytes: 4 },
    ]);
    expect(bodiesOf((await scheduledPage(t, { bodyBytesMax: 0 })).messages)).toEqual(["", ""]);
  });

  test("of long messages has shorter pages, each within a reply's bound", async () => {
    const t = await scenario();
    for (let index = 0; index < 6; index += 1) {
      await sendFor(t, Buffer.alloc(1_000_000, 48 + index), t.now + (index + 1) * minuteMs);
    }
    const pages = await scheduledBodies(t, { pageSize: 100 });
    expect(pages.length).toBeGreaterThan(1);
    expect(pages.flat().map((body) => body.charAt(0))).toEqual([..."012345"]);
    // Cut, they are all on one page.
    expect(await scheduledBodies(t, { pageSize: 100, bodyBytesMax: 1 })).toEqual([[..."012345"]]);
  });

  test("counts long attributes toward that bound, however short the bodies are cut", async () => {
    const t = await scenario();
    for (let index = 0; index < 8; index += 1) {
      await sendFor(t, "x", t.now + minuteMs, { attributes: { long: "y".repeat(1_000_000) } });
    }
    const pages = await scheduledBodies(t, { pageSize: 100, bodyBytesMax: 0 });
    expect(pages.length).toBeGreaterThan(1);
    expect(pages.flat()).toHaveLength(8);
  });

  test("takes no token of another queue, nor one that was changed", async () => {
    const t = await scenario();
    await t.createQueue("other");
    await sendAt(t, 1, 2);
    const { token } = await scheduledPage(t, { pageSize: 1 });
    for (const request of [
      { queue: "other", pageToken: token },
      { pageToken: `${token}A` },
      { pageToken: "garbage" },
    ]) {
      await expect(scheduledPage(t, request)).rejects.toMatchObject({
        code: "INVALID_ARGUMENT",
        reason: "INVALID_PAGE_TOKEN",
        violations: ["page_token"],
      });
    }
  });

  test.each([
    [{ pageSize: 0 }, "page_size"],
    [{ pageSize: 101 }, "page_size"],
    [{ bodyBytesMax: -1 }, "body_bytes_max"],
    [{ bodyBytesMax: 1_048_577 }, "body_bytes_max"],
  ])("%j is refused", async (request, field) => {
    const t = await scenario();
    await expect(scheduledPage(t, request)).rejects.toMatchObject({ violations: [field] });
  });

  test("passes over one that cannot be read", async () => {
    const t = await scenario();
    t.expectErrors();
    await sendAt(t, 1, 2, 3);
    await breakRow(t, rowsOf("orders", "scheduled"));
    expect(await scheduledBodies(t)).toEqual([["2", "3"]]);
    await t.skip(3 * minuteMs);
    expect(bodiesOf(await t.receive({ max: 10 }))).toEqual(["2", "3"]);
  });
});

describe("a cancel", () => {
  test("removes a message that waits, and it never comes", async () => {
    const t = await scenario();
    const [first, second] = await sendAt(t, 1, 2);
    await cancelScheduled(t, first ?? "");
    expect(await scheduledBodies(t)).toEqual([["2"]]);
    expect(await scheduledCount(t)).toBe(1);
    await t.skip(2 * minuteMs);
    expect((await t.receive({ max: 10 })).map(({ id }) => id)).toEqual([second]);
    expect(await t.counters()).toMatchObject({ sent: 1, deleted: 0 });
  });

  test("comes in time up to the last millisecond, and not at its time", async () => {
    const t = await scenario();
    const [first, second] = await sendAt(t, 1, 1);
    await t.leap(minuteMs - 1);
    await cancelScheduled(t, first ?? "");
    await t.leap(1);
    await expect(cancelScheduled(t, second ?? "")).rejects.toMatchObject({
      code: "NOT_FOUND",
      reason: "MESSAGE_NOT_FOUND",
    });
    expect(bodiesOf(await t.receive({ max: 10 }))).toEqual(["1"]);
  });

  test("of one that has joined, was cancelled, is in another queue or never was finds nothing", async () => {
    const t = await scenario();
    await t.createQueue("other");
    const [joined, cancelled, waiting] = await sendAt(t, 1, 5, 6);
    await t.skip(minuteMs);
    await cancelScheduled(t, cancelled ?? "");
    const { messageId: sent } = await t.send("at once");
    for (const [id, queue] of [
      [joined, "orders"],
      [cancelled, "orders"],
      [waiting, "other"],
      [sent, "orders"],
      ["01890a5d-ac96-774b-bcce-b302099a8057", "orders"],
      // A time far off, and an id that is none of a message.
      ["ffffffff-ffff-7fff-bfff-ffffffffffff", "orders"],
      ["00000000-0000-0000-0000-000000000000", "orders"],
    ] as const) {
      await expect(cancelScheduled(t, id ?? "", queue)).rejects.toMatchObject({
        code: "NOT_FOUND",
        reason: "MESSAGE_NOT_FOUND",
      });
    }
    await cancelScheduled(t, waiting ?? "");
    expect(await t.counters()).toMatchObject({ stored: 2 });
  });

  test("needs an id that is one", async () => {
    const t = await scenario();
    for (const [id, reason] of [
      ["", "MISSING_PARAMETER"],
      ["17", "INVALID_PARAMETER"],
    ] as const) {
      await expect(cancelScheduled(t, id)).rejects.toMatchObject({
        reason,
        violations: ["message_id"],
      });
    }
  });

  test("is durable when it is answered", async () => {
    const t = await scenario();
    const [id] = await sendAt(t, 1, 2);
    await cancelScheduled(t, id ?? "");
    await t.crash();
    expect(await scheduledBodies(t)).toEqual([["2"]]);
  });

  test("leaves its deduplication id remembered", async () => {
    const t = await fifoScenario();
    const options = { groupId: "g", dedupId: "d" };
    const { messageId } = await sendFor(t, "a", t.now + minuteMs, options);
    await cancelScheduled(t, messageId);
    expect(await t.send("b", options)).toMatchObject({ messageId, duplicate: true });
    await t.skip(5 * minuteMs);
    expect((await t.send("c", options)).duplicate).toBe(false);
    expect(bodiesOf(await t.receive({ max: 10 }))).toEqual(["c"]);
  });

  test("goes on while the storage is full", async () => {
    const t = await scenario();
    t.expectErrors();
    const [id] = await sendAt(t, 1);
    await t.restart({ storageReserveBytes: Number.MAX_SAFE_INTEGER });
    await expect(sendFor(t, "x", t.now + minuteMs)).rejects.toMatchObject({
      reason: "STORAGE_FULL",
    });
    await cancelScheduled(t, id ?? "");
    expect(await scheduledCount(t)).toBe(0);
  });
});

test("a restart and a crash keep them, and they join at their time", async () => {
  const t = await scenario();
  const ids = await sendAt(t, 1, 2);
  await t.restart();
  expect((await scheduledPage(t)).messages.map(({ id }) => id)).toEqual(ids);
  await t.crash();
  expect((await scheduledPage(t)).messages.map(({ id }) => id)).toEqual(ids);
  await t.skip(minuteMs - 1);
  expect(await t.counts()).toBe("0/0/0");
  await t.advance(1);
  expect(bodiesOf(await t.receive())).toEqual(["1"]);
});

test("those whose time comes while the server is down join when it is up", async () => {
  const t = await scenario();
  await sendAt(t, 1, 2, 60);
  await t.settle();
  t.client.close();
  await t.stop();
  t.clock.leap(10 * minuteMs);
  await t.start();
  expect(await t.counts()).toBe("2/0/0");
  expect(bodiesOf(await t.receive({ max: 10 }))).toEqual(["1", "2"]);
  expect(await scheduledBodies(t)).toEqual([["60"]]);
});

test("a purge drops them and counts only what was stored", async () => {
  const t = await scenario();
  await t.send("stored");
  await sendAt(t, 1, 2);
  expect(await t.purge()).toBe(1);
  expect(await scheduledCount(t)).toBe(0);
  expect(await scheduledBodies(t)).toEqual([[]]);
  await t.skip(5 * minuteMs);
  expect(await t.counters()).toMatchObject({ stored: 0, sent: 1 });
  await sendAt(t, 1);
  await t.skip(minuteMs);
  expect(bodiesOf(await t.receive())).toEqual(["1"]);
});

test("a delete of the queue drops them, also for a queue of the same name", async () => {
  const t = await scenario();
  const [id] = await sendAt(t, 1);
  await t.deleteQueue();
  await t.createQueue(t.queue);
  expect(await scheduledBodies(t)).toEqual([[]]);
  await expect(cancelScheduled(t, id ?? "")).rejects.toMatchObject({ reason: "MESSAGE_NOT_FOUND" });
  await t.skip(5 * minuteMs);
  expect(await t.counts()).toBe("0/0/0");
});

test("a queue that is not there has none", async () => {
  const t = await scenario();
  for (const call of [
    scheduledPage(t, { queue: "nowhere" }),
    cancelScheduled(t, "01890a5d-ac96-774b-bcce-b302099a8057", "nowhere"),
  ]) {
    await expect(call).rejects.toMatchObject({ code: "NOT_FOUND", reason: "QUEUE_NOT_FOUND" });
  }
});
