// The check finds every kind of contradiction there is: each is planted into a store that had none, by writing or removing
// one row, and must be named with the queue and the message it is about.

import { expect, test } from "vitest";
import type { EpochMs, Sequence } from "../../src/base/brands.js";
import type { Counters, Delivery, Message, Queue } from "../../src/queue/model.js";
import { checkStore, renderCheckReport } from "../../src/store/check.js";
import {
  chunkKey,
  countersKey,
  deliveryKey,
  dueKey,
  garbageKey,
  messageKey,
  nodeKey,
  queueKey,
  requestDueKey,
  requestKey,
  returnedKey,
  segmentPrefix,
} from "../../src/store/keys.js";
import type { Store } from "../../src/store/store.js";
import { tables } from "../../src/store/tables.js";
import { EngineHarness } from "../support/engine-harness.js";
import { putRow, removeValue, temporaryStore } from "../support/temporary-store.js";

const place = (value: number): Sequence => value as Sequence;

interface Planted {
  readonly store: Store;
  readonly queue: Queue;
  readonly prefix: string;
  readonly counters: Counters;
  delivery(at: number): Delivery;
  message(at: number): Message;
}

/** Messages 1 (leased), 2 (returned), 3 and 4 (fresh), 5 (delayed) and 6 (fresh, chunked); freshFrom is 3. */
async function storeOfAllKinds(): Promise<Planted> {
  const store = temporaryStore();
  const harness = await EngineHarness.start({ store });
  await harness.createQueue("orders");
  await harness.send(
    "orders",
    "1",
    "2",
    "3",
    "4",
    { body: "5", delayMs: 60_000 },
    "6".repeat(20_000),
  );
  const got = await harness.receiveAll("orders", { countMax: 2 });
  await harness.changeVisibility("orders", [{ receipt: got[1]?.receipt, timeoutMs: 0 }]);
  await harness.check();
  await harness.engine.stop();
  const key = queueKey("default", "orders");
  const read = <Row>(table: { decode(key: string, bytes: Buffer): Row }, at: string): Row => {
    const bytes = store.get(at);
    if (bytes === undefined) throw new Error("The row to damage is not there.");
    return table.decode(at, bytes);
  };
  const queue = read(tables.queue, key);
  const prefix = segmentPrefix(queue.slot, queue.segment);
  return {
    store,
    queue,
    prefix,
    counters: read(tables.counters, countersKey(prefix)),
    delivery: (at) => read(tables.delivery, deliveryKey(prefix, place(at))),
    message: (at) => read(tables.message, messageKey(prefix, place(at))),
  };
}

/** Plants something and returns what the check says, a line each. */
async function linesAfter(plant: (planted: Planted) => Promise<void>): Promise<string[]> {
  const planted = await storeOfAllKinds();
  await plant(planted);
  const report = await checkStore(planted.store);
  expect(report.contradictionCount).toBe(report.contradictions.length);
  return report.contradictions.map(({ row, sentence }) => `${row}: ${sentence}`);
}

const leasedUntil = (delivery: Delivery): EpochMs => {
  if (delivery.state.kind === "returned") throw new Error("The message is not leased or delayed.");
  return delivery.state.until;
};

test("a store nobody damaged has no contradictions, and the report says what was read", async () => {
  const { store } = await storeOfAllKinds();
  const report = await checkStore(store);
  expect(report).toMatchObject({ contradictionCount: 0, queueCount: 1, messageCount: 6 });
  expect(renderCheckReport(report)).toMatch(
    /^1 queue, 6 messages, \d+ rows read\.\nNo contradictions\.\n$/,
  );
});

const cases: readonly (readonly [
  string,
  (planted: Planted) => Promise<void>,
  readonly RegExp[],
])[] = [
  [
    "a delivery without its message",
    async ({ store, prefix }) => await removeValue(store, messageKey(prefix, place(1))),
    [
      /^queue default\/orders, message 1: It has a delivery and is not there\.$/,
      /say 6 messages stored, and there are 5/,
      /bytes stored/,
    ],
  ],
  [
    "a received message without its delivery",
    async ({ store, prefix, delivery }) => {
      await removeValue(store, dueKey(prefix, leasedUntil(delivery(1)), place(1)));
      await removeValue(store, deliveryKey(prefix, place(1)));
    },
    [
      /message 1: It stands before the first fresh place 3 and has no delivery/,
      /1 messages in flight, and there are 0/,
    ],
  ],
  [
    "a fresh message with a delivery",
    async ({ store, prefix, delivery }) => {
      await putRow(store, tables.delivery, deliveryKey(prefix, place(4)), {
        ...delivery(2),
        sequence: place(4),
        state: { kind: "returned", order: place(4) },
      });
      await putRow(store, tables.returned, returnedKey(prefix, place(4), place(4)), true);
    },
    [
      /message 4: It stands at or after the first fresh place 3 and has a delivery: it would be received twice/,
    ],
  ],
  [
    "a delayed message without its delivery",
    async ({ store, prefix, delivery }) => {
      await removeValue(store, dueKey(prefix, leasedUntil(delivery(5)), place(5)));
      await removeValue(store, deliveryKey(prefix, place(5)));
    },
    [
      /message 5: It was sent with a delay and has no delivery/,
      /1 messages delayed, and there are 0/,
    ],
  ],
  [
    "a lease without its index row",
    async ({ store, prefix, delivery }) =>
      await removeValue(store, dueKey(prefix, leasedUntil(delivery(1)), place(1))),
    [/message 1: It is leased until \d+ and has no index row: it would never return/],
  ],
  [
    "a visible message without its index row",
    async ({ store, prefix }) => await removeValue(store, returnedKey(prefix, place(2), place(2))),
    [/message 2: It is visible and has no index row at 2/],
  ],
  [
    "an index row of a lease that ends at another time",
    async ({ store, prefix }) =>
      await putRow(store, tables.due, dueKey(prefix, 5 as EpochMs, place(1)), true),
    [/message 1: An index row says that it returns at 5; it is leased until/],
  ],
  [
    "an index row of a lease for a message that has none",
    async ({ store, prefix }) =>
      await putRow(store, tables.due, dueKey(prefix, 5 as EpochMs, place(3)), true),
    [/message 3: An index row says that it returns at 5, and it has no delivery/],
  ],
  [
    "an index row of a visible message for one that is leased",
    async ({ store, prefix }) =>
      await putRow(store, tables.returned, returnedKey(prefix, place(1), place(1)), true),
    [/message 1: An index row says that it is visible at 1; it is leased until/],
  ],
  [
    "an index row of a visible message for one that has no delivery",
    async ({ store, prefix }) =>
      await putRow(store, tables.returned, returnedKey(prefix, place(3), place(3)), true),
    [/message 3: An index row says that it is visible at 3, and it has no delivery/],
  ],
  [
    "two messages visible at one place",
    async ({ store, prefix, delivery }) => {
      await removeValue(store, returnedKey(prefix, place(2), place(2)));
      await putRow(store, tables.delivery, deliveryKey(prefix, place(2)), {
        ...delivery(2),
        state: { kind: "returned", order: place(5) },
      });
      await putRow(store, tables.returned, returnedKey(prefix, place(5), place(2)), true);
      await putRow(store, tables.returned, returnedKey(prefix, place(5), place(5)), true);
    },
    [
      /message 5: It is visible at 5, as another message is/,
      /message 5: An index row says that it is visible at 5; it is delayed/,
    ],
  ],
  [
    "a visible message at a place that was not given out",
    async ({ store, prefix, delivery }) => {
      await removeValue(store, returnedKey(prefix, place(2), place(2)));
      await putRow(store, tables.delivery, deliveryKey(prefix, place(2)), {
        ...delivery(2),
        state: { kind: "returned", order: place(99) },
      });
      await putRow(store, tables.returned, returnedKey(prefix, place(99), place(2)), true);
    },
    [/message 2: It is visible at 99, a place it cannot have been given/],
  ],
  [
    "counters that do not count",
    async ({ store, prefix, counters }) =>
      await putRow(store, tables.counters, countersKey(prefix), {
        ...counters,
        storedBytes: counters.storedBytes + 1,
        inFlight: 2,
        delayed: 0,
        deleted: 1,
      }),
    [
      /^queue default\/orders: Its counters say 20006 bytes stored, and there are 20005\.$/,
      /say 2 messages in flight, and there are 1/,
      /say 0 messages delayed, and there are 1/,
      /say 6 sent, which is not 6 stored \+ 1 deleted \+ 0 expired \+ 0 purged/,
    ],
  ],
  [
    "places given out twice",
    async ({ store, prefix, counters }) =>
      await putRow(store, tables.counters, countersKey(prefix), {
        ...counters,
        nextSequence: place(6),
        freshFrom: place(3),
      }),
    [/message 6: Its place was not given out yet: the next one is 6/],
  ],
  [
    "a first fresh place after the next place",
    async ({ store, prefix, counters }) =>
      await putRow(store, tables.counters, countersKey(prefix), {
        ...counters,
        freshFrom: place(9),
      }),
    [
      /message 3: It stands before/,
      /message 4: It stands before/,
      /message 6: It stands before/,
      /Its first fresh place 9 is after its next place 7/,
    ],
  ],
  [
    "a queue without counters",
    async ({ store, prefix }) => await removeValue(store, countersKey(prefix)),
    [/^queue default\/orders: It has no counters\.$/],
  ],
  [
    "a delivery that tells another size",
    async ({ store, prefix, delivery }) =>
      await putRow(store, tables.delivery, deliveryKey(prefix, place(1)), {
        ...delivery(1),
        sizeBytes: 7,
      }),
    [/message 1: It has 1 bytes and its delivery says 7/],
  ],
  [
    "a delivery that tells another time of sending",
    async ({ store, prefix, delivery }) =>
      await putRow(store, tables.delivery, deliveryKey(prefix, place(1)), {
        ...delivery(1),
        sentAt: 7 as EpochMs,
      }),
    [/message 1: It was sent at \d+ and its delivery says 7/],
  ],
  [
    "receives that do not add up",
    async ({ store, prefix, delivery }) => {
      await putRow(store, tables.delivery, deliveryKey(prefix, place(1)), {
        ...delivery(1),
        receiveCount: 0,
      });
      await putRow(store, tables.delivery, deliveryKey(prefix, place(2)), {
        ...delivery(2),
        ordinal: 0,
      });
      await putRow(store, tables.delivery, deliveryKey(prefix, place(5)), {
        ...delivery(5),
        receiveCount: 1,
        ordinal: 1,
        firstReceivedAt: 5 as EpochMs,
      });
    },
    [
      /message 1: It counts 0 receives, and its first-received time says otherwise/,
      /message 1: It is leased and was never received/,
      /message 2: It counts 1 receives, more than the 0 there were/,
      /message 5: It is delayed and was received 1 times/,
    ],
  ],
  [
    "messages out of the order of their time",
    async ({ store, prefix, message }) =>
      await putRow(store, tables.message, messageKey(prefix, place(4)), {
        ...message(4),
        sentAt: (message(4).sentAt - 1) as EpochMs,
      }),
    [/message 4: It was sent at \d+, before the message in front of it/],
  ],
  [
    "instants after the last one of the store",
    async ({ store }) => await putRow(store, tables.node, nodeKey("time"), 5),
    [
      /^queue default\/orders: It was created or updated after/,
      ...[1, 2, 3, 4, 5, 6].map(
        (at) => new RegExp(`message ${at}: It was sent at \\d+, after the last instant`),
      ),
      /message 1: It is leased from \d+ until/,
    ],
  ],
  [
    "a letter that no table has",
    async ({ store, prefix }) => {
      await putRow(store, tables.raw, `${prefix}q12345678`, true);
      await putRow(store, tables.raw, "\x91abc", true);
    },
    [
      /^queue default\/orders, key [0-9a-f]+: No table has this letter/,
      /^key 91616263: No table has this letter/,
    ],
  ],
  [
    "keys out of layout",
    async ({ store, prefix }) => {
      for (const key of [
        "\x00\x01ab",
        `${prefix}c1`,
        `${prefix}m123`,
        `${prefix}s1`,
        `${prefix}d1`,
        `${prefix}r\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00\x01`,
        "\x80nowhere",
        "\x81abc",
        "\x83abc",
      ]) {
        await putRow(store, tables.raw, key, true);
      }
    },
    Array.from(
      { length: 9 },
      () => /^key [0-9a-f]+: The key does not follow the layout of any table/,
    ),
  ],
  [
    "a segment that belongs to nobody",
    async ({ store }) => {
      await putRow(store, tables.due, dueKey(segmentPrefix(5, 77), 1 as EpochMs, place(1)), true);
    },
    [/^segment 77 in slot 5: It belongs to no queue and is not marked as garbage\.$/],
  ],
  [
    "a queue's segment marked as garbage",
    async ({ store, queue }) =>
      await putRow(store, tables.garbage, garbageKey(queue.slot, queue.segment), true),
    [/^queue default\/orders: Its segment \d+ in slot \d+ is marked as garbage\.$/],
  ],
  [
    "two queues with one number and one segment",
    async ({ store, queue }) =>
      await putRow(store, tables.queue, queueKey("default", "twin"), {
        ...queue,
        name: "twin" as Queue["name"],
      }),
    [
      /^queue default\/twin: Its number \d+ is also another queue's\.$/,
      /^queue default\/twin: Its segment \d+ is also another queue's\.$/,
    ],
  ],
  [
    "request results and the times they may go",
    async ({ store }) => {
      const result = {
        payloadHash: Buffer.alloc(4),
        result: Buffer.alloc(0),
        keepUntil: 50 as EpochMs,
        wasReplayed: false,
      };
      await putRow(store, tables.request, requestKey("a".repeat(16)), result);
      await putRow(store, tables.requestDue, requestDueKey(60 as EpochMs, "a".repeat(16)), true);
      await putRow(store, tables.requestDue, requestDueKey(70 as EpochMs, "b".repeat(16)), true);
    },
    [
      /^request result 6161[61]+: No row says that it may go at 50\.$/,
      /^request result 6161[61]+: It is to go at 60 and also at 50\.$/,
      /^request result 6262[62]+: It is to go at 70 and is not there\.$/,
    ],
  ],
  [
    "a missing chunk",
    async ({ store, prefix }) =>
      await removeValue(store, chunkKey(messageKey(prefix, place(6)), 2)),
    [/message 6: The message row cannot be read: chunk 2 of 2 is missing/],
  ],
  [
    "chunks left behind by a row that is gone",
    async ({ store }) => {
      const key = requestKey("c".repeat(16));
      const result = {
        payloadHash: Buffer.alloc(4),
        result: Buffer.alloc(20_000),
        keepUntil: 50 as EpochMs,
        wasReplayed: false,
      };
      await putRow(store, tables.request, key, result);
      await putRow(store, tables.requestDue, requestDueKey(50 as EpochMs, "c".repeat(16)), true);
      await store.commit([
        {
          key,
          framed: tables.request.encode({ ...result, result: Buffer.alloc(1) }),
          mayReplaceChunks: false,
        },
      ]);
    },
    [
      /^key ff82[0-9a-f]+: Chunk 1 is stored, and its row has 0/,
      /^key ff82[0-9a-f]+: Chunk 2 is stored, and its row has 0/,
    ],
  ],
  [
    "a row in place of a chunk, and the reverse",
    async ({ store, prefix }) => {
      await putRow(store, tables.raw, chunkKey(messageKey(prefix, place(6)), 1), true);
    },
    [
      /message 6: The message row cannot be read: it is not a chunk/,
      /message 6: A row stands where chunk 1 should/,
    ],
  ],
  [
    "rows of a version that is not known",
    async ({ store, prefix }) =>
      await store.commit([
        {
          key: countersKey(prefix),
          framed: Buffer.from([0, 0, 0, 0, 0, 9]),
          mayReplaceChunks: false,
        },
      ]),
    [/^queue default\/orders: The counters row cannot be read: version 9 is unknown\.$/],
  ],
];

test.each(cases)("the check names %s", async (_title, plant, expected) => {
  const lines = await linesAfter(plant);
  expect(lines).toHaveLength(expected.length);
  for (const pattern of expected)
    expect(lines.filter((line) => pattern.test(line))).not.toEqual([]);
});

test("a store damaged all over is reported up to a bound, and counted beyond it", async () => {
  const { store } = await storeOfAllKinds();
  await store.commit(
    Array.from({ length: 1_500 }, (_, at) => ({
      key: dueKey(segmentPrefix(9, at + 1), 1 as EpochMs, place(1)),
      framed: tables.due.encode(true),
      mayReplaceChunks: false,
    })),
  );
  const report = await checkStore(store);
  expect([report.contradictions.length, report.contradictionCount]).toEqual([1_000, 1_500]);
  expect(renderCheckReport(report)).toMatch(
    /\n1,500 contradictions:\n(.*\n){1000}And 500 more\.\n$/,
  );
});

test("garbage is no contradiction, before and after it is reaped", async () => {
  const store = temporaryStore();
  const harness = await EngineHarness.start({ store });
  await harness.createQueue("orders");
  await harness.send("orders", "1", "2");
  await harness.purgeQueue("orders");
  await harness.send("orders", "3");
  await harness.createQueue("other");
  await harness.send("other", "x".repeat(30_000));
  await harness.deleteQueue("other");
  await harness.check();
  await harness.reap();
  await harness.check();
  await harness.engine.stop();
  const report = await checkStore(store);
  // The queue, its counters, one message and the time.
  expect([report.rowCount, report.messageCount]).toEqual([4, 1]);
});

test("a walk in many slices finds the same as a walk in one", async () => {
  const store = temporaryStore();
  const harness = await EngineHarness.start({ store });
  await harness.createQueue("orders");
  for (let batch = 0; batch < 100; batch += 1) {
    await harness.send("orders", ...Array.from({ length: 100 }, (_, at) => `${batch}-${at}`));
  }
  for (let batch = 0; batch < 60; batch += 1) await harness.receiveAll("orders", { countMax: 100 });
  await harness.check();
  await harness.engine.stop();
  const { messageCount, contradictionCount } = await checkStore(store);
  expect([messageCount, contradictionCount]).toEqual([10_000, 0]);
});
