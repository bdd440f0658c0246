// Repeats under a request id, as clients make them: with their maps in any order, while others wait for the same queue.

import { expect, test } from "vitest";
import { attributesOf, bodiesOf, scenario } from "../support/scenario.js";

const given = { a: "1", b: "2", "10": "3", "9": "4", Z: "5", ä: "6" };
const backwards = <Value>(map: ReadonlyMap<string, Value>): Map<string, Value> =>
  new Map([...map].reverse());

const reused = { code: "FAILED_PRECONDITION", reason: "REQUEST_ID_REUSED" };

test("attributes in another order are the same payload, other attributes are not", async () => {
  const t = await scenario();
  const attributes = attributesOf(given);
  const send = (map: typeof attributes) =>
    t.call("sendMessage", {
      queue: t.queue,
      body: { $case: "text", value: "pay #7" },
      attributes: map,
      requestId: "r1",
    });
  const first = await send(attributes);
  expect(await send(backwards(attributes))).toEqual({ ...first, replayed: true });
  await expect(send(attributesOf({ ...given, a: "2", b: "1" }))).rejects.toMatchObject(reused);
  expect(await t.counts()).toBe("1/0/0");
});

test("attributes of a batch's entries in another order are the same payload, entries are not", async () => {
  const t = await scenario();
  const attributes = attributesOf(given);
  const entries = (map: typeof attributes) =>
    ["x", "y"].map((value, index) => ({
      id: String(index),
      body: { $case: "text", value } as const,
      attributes: map,
    }));
  const send = (list: ReturnType<typeof entries>) =>
    t.call("sendMessageBatch", { queue: t.queue, entries: list, requestId: "r1" });
  const first = await send(entries(attributes));
  expect(await send(entries(backwards(attributes)))).toEqual({ ...first, replayed: true });
  await expect(send(entries(attributes).reverse())).rejects.toMatchObject(reused);
  expect(await t.counts()).toBe("2/0/0");
});

test("tags of a new queue in another order are the same payload", async () => {
  const t = await scenario({ create: "none" });
  const tags = new Map(Object.entries(given));
  const create = (map: Map<string, string>) =>
    t.call("createQueue", { queue: "orders", tags: map, requestId: "r1" });
  expect(await create(tags)).toMatchObject({ created: true, replayed: false });
  expect(await create(backwards(tags))).toMatchObject({ created: true, replayed: true });
  await expect(create(new Map([...tags].slice(1)))).rejects.toMatchObject(reused);
});

test("a repeated receive is given its result at once, although others wait for the queue", async () => {
  const t = await scenario();
  await t.send("a");
  const request = { max: 1, waitMs: 20_000, requestId: "r1" };
  expect(bodiesOf(await t.receive(request))).toEqual(["a"]);
  const polls = [await t.poll(), await t.poll()];
  const repeat = await t.poll(request);
  expect(repeat.isAnswered).toBe(true);
  expect(bodiesOf(await repeat.answer)).toEqual(["a"]);
  expect(polls.map(({ isAnswered }) => isAnswered)).toEqual([false, false]);
  // With nothing left of what it received it does not wait for more either.
  await t.purge();
  expect(await t.receive(request)).toEqual([]);
});
