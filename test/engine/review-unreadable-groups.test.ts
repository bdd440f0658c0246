// A row of a group, or a message of one, that cannot be read: its queue goes on, other groups have their turns, and the
// process does not end over it.

import { expect, test } from "vitest";
import { tableLetters } from "../../src/store/keys.js";
import { EngineHarness } from "../support/engine-harness.js";
import { MemoryStore } from "../support/memory-store.js";

const minute = 60_000;

/** Bytes of a version that nobody knows. */
const unreadable = Buffer.from([99]);

class Damaged {
  readonly #store = new MemoryStore();
  readonly #queue: string;
  #harness: EngineHarness | undefined;
  #sent = 0;

  constructor(queue: string) {
    this.#queue = queue;
  }

  async start(): Promise<EngineHarness> {
    this.#harness = await EngineHarness.start({ store: this.#store });
    await this.#harness.createQueue(this.#queue);
    return this.#harness;
  }

  async send(groupId: string, body: string): Promise<void> {
    this.#sent += 1;
    const dedupId = this.#queue.endsWith(".fifo") ? { dedupId: `${this.#sent}` } : {};
    await this.#harness?.send(this.#queue, { body, groupId, ...dedupId });
  }

  /** Breaks the first row of a table, while the server is stopped. */
  async damage(table: keyof typeof tableLetters): Promise<void> {
    await this.#harness?.restart();
    const keys = this.#store.keys("\x00", "\x80", Number.MAX_SAFE_INTEGER);
    const key = keys.find((candidate) => candidate[10] === tableLetters[table]);
    if (key === undefined) throw new Error("There is no such row.");
    this.#store.damage(key, unreadable);
    await this.#harness?.restart();
  }
}

for (const queue of ["orders", "orders.fifo"]) {
  for (const isSentTo of [false, true]) {
    const title = isSentTo ? "that was sent to since" : "with all its messages";
    test(`${queue}: a group that cannot be read, ${title}, ends without ending the process`, async () => {
      const damaged = new Damaged(queue);
      const harness = await damaged.start();
      await damaged.send("a", "1");
      await damaged.send("a", "2");
      await damaged.send("b", "3");
      const got = await harness.receiveAll(queue, { visibilityTimeoutMs: minute });
      expect(got).toHaveLength(3);
      await damaged.damage("group");
      if (isSentTo) await damaged.send("a", "4");
      const deleted = await harness.deleteMessages(
        queue,
        got.map(({ receipt }) => receipt),
      );
      expect(deleted).toEqual({
        kind: "accepted",
        outcome: got.map(() => ({ kind: "deleted" })),
      });
      expect(await harness.report(queue)).toMatchObject({
        counters: { stored: isSentTo ? 1 : 0, inFlight: 0, deleted: 3 },
      });
      expect(harness.failures).toEqual([]);
    });
  }

  test(`${queue}: messages of a group that cannot be read expire without ending the process`, async () => {
    const damaged = new Damaged(queue);
    const harness = await damaged.start();
    await damaged.send("a", "1");
    await damaged.send("a", "2");
    await damaged.damage("group");
    harness.clock.advanceAtOnce(5 * 24 * 60 * minute);
    await harness.sweep();
    expect(await harness.report(queue)).toMatchObject({ counters: { stored: 0, expired: 2 } });
    expect(harness.failures).toEqual([]);
  });
}

test("a FIFO group whose only message cannot be read still has its turn when it is sent another", async () => {
  const queue = "orders.fifo";
  const damaged = new Damaged(queue);
  const harness = await damaged.start();
  await damaged.send("a", "lost");
  await damaged.send("b", "1");
  await damaged.send("b", "2");
  await damaged.damage("message");
  // Each look begins where the one before found the first turn.
  for (const body of ["1", "2"]) {
    const [got] = await harness.receiveAll(queue, { countMax: 1 });
    expect(got?.body).toBe(body);
    await harness.deleteMessages(queue, [got?.receipt]);
  }
  await damaged.send("b", "3");
  expect(await harness.receiveAll(queue)).toMatchObject([{ body: "3" }]);
  await damaged.send("a", "4");
  expect(await harness.receiveAll(queue)).toMatchObject([{ body: "4" }]);
});

test("a FIFO group that could not be read goes on in its order when it is sent a message, and so do the others", async () => {
  const queue = "orders.fifo";
  const damaged = new Damaged(queue);
  const harness = await damaged.start();
  for (const group of ["a", "b", "c"]) await damaged.send(group, `${group}1`);
  await damaged.damage("group");
  await damaged.send("a", "a2");
  const bodies: string[] = [];
  for (let look = 0; look < 5; look += 1) {
    const got = await harness.receiveAll(queue, { countMax: 1 });
    bodies.push(...got.map(({ body }) => body));
    await harness.deleteMessages(
      queue,
      got.map(({ receipt }) => receipt),
    );
  }
  expect(bodies.toSorted()).toEqual(["a1", "a2", "b1", "c1"]);
  expect(bodies.indexOf("a1")).toBeLessThan(bodies.indexOf("a2"));
  expect(await harness.report(queue)).toMatchObject({ counters: { stored: 0, inFlight: 0 } });
});

test("a FIFO group that could not be read finds all its messages again, also those that only its row named", async () => {
  const queue = "orders.fifo";
  const damaged = new Damaged(queue);
  const harness = await damaged.start();
  const bodies = Array.from({ length: 20 }, (_, at) => `a${at}`);
  for (const body of bodies) {
    await damaged.send("a", body);
    await damaged.send("b", `${body} of another group`);
  }
  await damaged.damage("group");
  await damaged.send("a", "a20");
  const got: string[] = [];
  for (let look = 0; look < 60; look += 1) {
    const [message] = await harness.receiveAll(queue, { countMax: 1 });
    if (message?.body.includes("of another group") === false) got.push(message.body);
    await harness.deleteMessages(queue, [message?.receipt]);
  }
  expect(got).toEqual([...bodies, "a20"]);
});

test("a receive takes each message of a fair queue's group once, also of one that could not be read", async () => {
  const queue = "orders";
  const damaged = new Damaged(queue);
  const harness = await damaged.start();
  await damaged.send("a", "1");
  await damaged.send("b", "2");
  await damaged.damage("group");
  await damaged.send("a", "3");
  const got = await harness.receiveAll(queue);
  expect(got.map(({ body }) => body)).toEqual(["1", "2", "3"]);
  expect(await harness.report(queue)).toMatchObject({ counters: { stored: 3, inFlight: 3 } });
});
