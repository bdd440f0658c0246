// The check finds every kind of contradiction there is: each is planted into a store that had none, by writing or removing
// one row, and must be named with the queue and the message it is about. Here those of standard queues without groups and of
// the store as a whole; `check-groups.test.ts` has groups, `check-times.test.ts` times, remembered ids and dead letters.

import { expect, test } from "vitest";
import type { EpochMs, Sequence } from "../../src/base/brands.js";
import type { Queue } from "../../src/queue/model.js";
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
import { tables } from "../../src/store/tables.js";
import { EngineHarness } from "../support/engine-harness.js";
import { expectLines, type PlantedCase, PlantedStore, placeOf } from "../support/planted-store.js";
import { temporaryStore } from "../support/temporary-store.js";

const place = (value: number): Sequence => value as Sequence;

/** Messages 1 (leased), 2 (returned), 3 and 4 (fresh), 5 (delayed) and 6 (fresh, chunked); freshFrom is 3. */
const storeOfAllKinds = async (): Promise<PlantedStore> =>
  await PlantedStore.of("orders", async (harness) => {
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
  });

/** Where a message without a priority stands that never went to the back. */
const own = ({ now }: PlantedStore, order: number) => placeOf(now, order);

test("a store nobody damaged has no contradictions, and the report says what was read", async () => {
  const { store } = await storeOfAllKinds();
  const report = await checkStore(store);
  expect(report).toMatchObject({ contradictionCount: 0, queueCount: 1, messageCount: 6 });
  expect(renderCheckReport(report)).toMatch(
    /^1 queue, 6 messages, \d+ rows read\.\nNo contradictions\.\n$/,
  );
});

const cases: readonly PlantedCase[] = [
  [
    "a delivery without its message",
    async (planted) => await planted.remove(messageKey(planted.prefix, place(1))),
    [
      /^queue default\/orders, message 1: It has a delivery and is not there\.$/,
      /say 6 messages stored, and there are 5/,
      /bytes stored/,
    ],
  ],
  [
    "a received message without its delivery",
    async (planted) => {
      await planted.remove(dueKey(planted.prefix, planted.until("1"), place(1)));
      await planted.remove(deliveryKey(planted.prefix, place(1)));
    },
    [
      /message 1: It stands before the first fresh place 3 and has no delivery/,
      /1 messages in flight, and there are 0/,
    ],
  ],
  [
    "a fresh message with a delivery",
    async (planted) => {
      const { prefix } = planted;
      const at = own(planted, 4);
      await planted.put(tables.delivery, deliveryKey(prefix, place(4)), {
        ...planted.delivery("2"),
        state: { kind: "returned", place: at },
      });
      await planted.put(tables.returned, returnedKey(prefix, at, place(4)), true);
    },
    [
      /message 4: It stands at or after the first fresh place 3 and has a delivery: it would be received twice/,
      /say 1 messages returned, and there are 2/,
    ],
  ],
  [
    "a delayed message without its delivery",
    async (planted) => {
      await planted.remove(dueKey(planted.prefix, planted.until("5"), place(5)));
      await planted.remove(deliveryKey(planted.prefix, place(5)));
    },
    [
      /message 5: It is to be found by its delivery and has none/,
      /1 messages delayed, and there are 0/,
    ],
  ],
  [
    "a lease without its index row",
    async (planted) => await planted.remove(dueKey(planted.prefix, planted.until("1"), place(1))),
    [/message 1: It is leased until \d+ and has no index row: it would never return/],
  ],
  [
    "a delay without its index row",
    async (planted) => await planted.remove(dueKey(planted.prefix, planted.until("5"), place(5))),
    [/message 5: It is delayed until \d+ and has no index row: it would never return/],
  ],
  [
    "a visible message without its index row",
    async (planted) => await planted.remove(returnedKey(planted.prefix, own(planted, 2), place(2))),
    [/message 2: It is visible and has no index row at \d+\/2: no receive would find it/],
  ],
  [
    "an index row of a lease that ends at another time",
    async (planted) =>
      await planted.put(tables.due, dueKey(planted.prefix, 5 as EpochMs, place(1)), true),
    [/message 1: An index row says that it returns at 5; it is leased until/],
  ],
  [
    "an index row of a lease for a message that has none",
    async (planted) =>
      await planted.put(tables.due, dueKey(planted.prefix, 5 as EpochMs, place(3)), true),
    [/message 3: An index row says that it returns at 5, and it has no delivery/],
  ],
  [
    "an index row of a lease for a message that is visible again",
    async (planted) =>
      await planted.put(tables.due, dueKey(planted.prefix, 5 as EpochMs, place(2)), true),
    [/message 2: An index row says that it returns at 5; it is visible at \d+\/2/],
  ],
  [
    "an index row of a visible message for one that is leased",
    async (planted) =>
      await planted.put(
        tables.returned,
        returnedKey(planted.prefix, own(planted, 1), place(1)),
        true,
      ),
    [/message 1: An index row says that it is visible at \d+\/1; it is leased until/],
  ],
  [
    "an index row of a visible message for one that has no delivery",
    async (planted) =>
      await planted.put(
        tables.returned,
        returnedKey(planted.prefix, own(planted, 3), place(3)),
        true,
      ),
    [/message 3: An index row says that it is visible at \d+\/3, and it has no delivery/],
  ],
  [
    "two messages visible at one place",
    async (planted) => {
      const { prefix } = planted;
      await planted.remove(returnedKey(prefix, own(planted, 2), place(2)));
      await planted.changeDelivery("2", { state: { kind: "returned", place: own(planted, 5) } });
      await planted.put(tables.returned, returnedKey(prefix, own(planted, 5), place(2)), true);
      await planted.put(tables.returned, returnedKey(prefix, own(planted, 5), place(5)), true);
    },
    [
      /message 5: It is visible at \d+\/5, as another message is/,
      /message 5: An index row says that it is visible at \d+\/5; it is delayed/,
    ],
  ],
  ...(
    [
      ["that was not given out", ({ now }) => placeOf(now, 99)],
      ["in front of its own", ({ now }) => placeOf(now, 1)],
      ["at the back before it came", ({ now }) => placeOf(now - 1, 5)],
      ["of its own at another time", ({ now }) => placeOf(now - 1, 2)],
      ["at the back in the future", ({ now }) => placeOf(now + 1, 5)],
    ] as readonly (readonly [string, (planted: PlantedStore) => ReturnType<typeof placeOf>])[]
  ).map(
    ([title, at]): PlantedCase => [
      `a visible message at a place ${title}`,
      async (planted) => {
        await planted.remove(returnedKey(planted.prefix, own(planted, 2), place(2)));
        await planted.changeDelivery("2", { state: { kind: "returned", place: at(planted) } });
        await planted.put(
          tables.returned,
          returnedKey(planted.prefix, at(planted), place(2)),
          true,
        );
      },
      [/message 2: It is visible at \d+\/\d+, a place it cannot have been given/],
    ],
  ),
  [
    "counters that do not count",
    async (planted) =>
      await planted.changeCounters({
        storedBytes: planted.counters.storedBytes + 1,
        inFlight: 2,
        delayed: 0,
        deleted: 1,
        scheduled: 3,
        returned: 5,
        groups: 4,
      }),
    [
      /^queue default\/orders: Its counters say 20006 bytes stored, and there are 20005\.$/,
      /say 2 messages in flight, and there are 1/,
      /say 0 messages delayed, and there are 1/,
      /say 3 messages scheduled, and there are 0/,
      /say 5 messages returned, and there are 1/,
      /say 4 groups, and there are 0/,
      /say 6 stored, which is not 6 sent \+ 0 arrived - 1 deleted - 0 expired - 0 purged - 0 dead-lettered - 0 moved/,
    ],
  ],
  ...(["arrived", "deleted", "expired", "purged", "deadLettered", "moved", "sent"] as const).map(
    (name): PlantedCase => [
      `counters that do not add up by what is ${name}`,
      async (planted) => await planted.changeCounters({ [name]: planted.counters[name] + 2 }),
      [/say 6 stored, which is not/],
    ],
  ),
  [
    "places given out twice",
    async (planted) => await planted.changeCounters({ nextSequence: place(6), dueFrom: place(6) }),
    [/message 6: Its place was not given out yet: the next one is 6/],
  ],
  [
    "a first fresh place after the next place",
    async (planted) => await planted.changeCounters({ freshFrom: place(9) }),
    [
      /message 3: It stands before/,
      /message 4: It stands before/,
      /message 6: It stands before/,
      /Its first fresh place 9 is after its next place 7/,
    ],
  ],
  [
    "ends of leases and delays that nobody looks for",
    async (planted) => await planted.changeCounters({ dueAt: (planted.until("1") + 1) as EpochMs }),
    [/message 1: It is leased until \d+, and the queue looks for none before \d+/],
  ],
  [
    "ends of messages that nobody looks for",
    async (planted) =>
      await planted.changeCounters({ expiryAt: (planted.counters.expiryAt + 1) as EpochMs }),
    [1, 2, 3, 4, 5, 6].map(
      (at) => new RegExp(`message ${at}: It expires at \\d+, and the queue looks for none before`),
    ),
  ],
  [
    "a first delayed place in a standard queue",
    async (planted) => await planted.changeCounters({ dueFrom: place(5) }),
    [/Its first delayed place is 5, which means nothing in a standard queue/],
  ],
  [
    "a queue without counters",
    async (planted) => await planted.remove(countersKey(planted.prefix)),
    [/^queue default\/orders: It has no counters\.$/],
  ],
  ...(
    [
      [{ sizeBytes: 7 }, /message 1: Its size in bytes is 1, and its delivery says 7/],
      [{ sentAt: 7 as EpochMs }, /message 1: Its time of sending is \d+, and its delivery says 7/],
      [
        { arrivedAt: 7 as EpochMs },
        /message 1: Its time of coming is \d+, and its delivery says 7/,
      ],
      [
        { indexedAt: 7 as EpochMs },
        /message 1: Its own time in the id is none, and its delivery says 7/,
      ],
      [
        { expiresAt: 7 as EpochMs },
        /message 1: Its end of its time to live is none, and its delivery says 7/,
      ],
      [{ priority: 7 }, /message 1: Its priority is 0, and its delivery says 7/],
    ] as const
  ).map(
    ([change, expected]): PlantedCase => [
      `a delivery that says another ${Object.keys(change).join()}`,
      async (planted) => await planted.changeDelivery("1", change),
      [expected],
    ],
  ),
  [
    "receives that do not add up",
    async (planted) => {
      await planted.changeDelivery("1", { receiveCount: 0 });
      await planted.changeDelivery("2", { ordinal: 0 });
      await planted.changeDelivery("5", {
        receiveCount: 1,
        ordinal: 1,
        firstReceivedAt: 5 as EpochMs,
      });
    },
    [
      /message 1: It counts 0 receives, and its first-received time says otherwise/,
      /message 1: It is leased and was never received/,
      /message 2: It counts 1 receives, more than the 0 there were/,
      /message 5: It is delayed from its send on and was received 1 times/,
    ],
  ],
  [
    "a wait after a receive that never was",
    async (planted) =>
      await planted.changeDelivery("5", {
        state: { kind: "delayed", until: planted.until("5"), isBackoff: true },
      }),
    [/message 5: It is delayed after a receive and was received 0 times/],
  ],
  [
    "a lease that ends before it begins",
    async (planted) =>
      await planted.changeDelivery("1", {
        state: { kind: "leased", until: (planted.now - 1) as EpochMs, leasedAt: planted.now },
      }),
    [
      /message 1: It is leased from \d+ until \d+\./,
      /message 1: It is leased until \d+ and has no index row/,
      /message 1: It is leased until \d+, and the queue looks for none before \d+/,
      /message 1: An index row says that it returns at \d+; it is leased until/,
    ],
  ],
  [
    "messages out of the order of their coming",
    async (planted) => {
      const before = (planted.now - 1) as EpochMs;
      const messageId = Buffer.from(planted.message("4").messageId);
      messageId.writeUIntBE(before, 0, 6);
      await planted.changeMessage("4", { sentAt: before, arrivedAt: before, messageId });
    },
    [
      /message 4: It came at \d+, before the message in front of it/,
      /message 4: It expires at \d+, and the queue looks for none before \d+/,
    ],
  ],
  [
    "a message that came before it was sent",
    async (planted) => await planted.changeMessage("4", { sentAt: (planted.now + 1) as EpochMs }),
    [/message 4: It was sent at \d+ and came at \d+/],
  ],
  [
    "an id of another time",
    async (planted) => await planted.changeMessage("4", { messageId: Buffer.alloc(16) }),
    [/message 4: The time in its id is 0, and it is found by \d+/],
  ],
  [
    "instants after the last one of the store",
    async (planted) => await planted.put(tables.node, nodeKey("time"), 5),
    [
      /^queue default\/orders: It was created or updated after/,
      ...[1, 2, 3, 4, 5, 6].map(
        (at) => new RegExp(`message ${at}: It came at \\d+, after the last instant`),
      ),
      /message 1: It is leased from \d+ until/,
    ],
  ],
  [
    "a letter that no table has",
    async (planted) => {
      await planted.put(tables.raw, `${planted.prefix}z12345678`, true);
      await planted.put(tables.raw, "\xe1abc", true);
    },
    [
      /^queue default\/orders, key [0-9a-f]+: No table has this letter/,
      /^key e1616263: No table has this letter/,
    ],
  ],
  [
    "keys out of layout",
    async (planted) => {
      const { prefix } = planted;
      for (const key of outOfLayout(prefix)) await planted.put(tables.raw, key, true);
    },
    outOfLayout("").map(() => /^key [0-9a-f]+: The key does not follow the layout of any table/),
  ],
  [
    "a segment that belongs to nobody",
    async (planted) =>
      await planted.put(tables.due, dueKey(segmentPrefix(5, 77), 1 as EpochMs, place(1)), true),
    [
      /^segment 77 in slot 5: It belongs to no queue, topic or cache and is not marked as garbage\.$/,
    ],
  ],
  [
    "a queue's segment marked as garbage",
    async (planted) =>
      await planted.put(
        tables.garbage,
        garbageKey(planted.queue.slot, planted.queue.segment),
        true,
      ),
    [/^queue default\/orders: Its segment \d+ in slot \d+ is marked as garbage\.$/],
  ],
  [
    "two queues with one number and one segment",
    async (planted) =>
      await planted.put(tables.queue, queueKey("default", "twin"), {
        ...planted.queue,
        name: "twin" as Queue["name"],
      }),
    [
      /^queue default\/twin: Its number \d+ is also another queue's\.$/,
      /^queue default\/twin: Its segment \d+ is also another queue's\.$/,
    ],
  ],
  [
    "a queue in a slot that there is not",
    async (planted) =>
      await planted.put(tables.queue, queueKey("default", "orders"), {
        ...planted.queue,
        slot: 0x4000,
      }),
    [
      /^queue default\/orders: Its slot 16384 is out of range\.$/,
      /^queue default\/orders: It has no counters\.$/,
      /^segment \d+ in slot \d+: It belongs to no queue, topic or cache/,
    ],
  ],
  [
    "request results and the times they may go",
    async (planted) => {
      const result = {
        payloadHash: Buffer.alloc(4),
        result: Buffer.alloc(0),
        keepUntil: 50 as EpochMs,
        wasReplayed: false,
      };
      const [a, b] = ["a".repeat(16), "b".repeat(16)];
      await planted.put(tables.request, requestKey(a), result);
      await planted.put(tables.requestDue, requestDueKey(60 as EpochMs, a), true);
      await planted.put(tables.requestDue, requestDueKey(70 as EpochMs, b), true);
    },
    [
      /^request result 6161[61]+: No row says that it may go at 50\.$/,
      /^request result 6161[61]+: It is to go at 60 and also at 50\.$/,
      /^request result 6262[62]+: It is to go at 70 and is not there\.$/,
    ],
  ],
  [
    "a missing chunk",
    async (planted) => await planted.remove(chunkKey(messageKey(planted.prefix, place(6)), 2)),
    [/message 6: The message row cannot be read: chunk 2 of 5 is missing/],
  ],
  [
    "chunks left behind by a row that is gone",
    async (planted) => {
      const key = requestKey("c".repeat(16));
      const result = {
        payloadHash: Buffer.alloc(4),
        result: Buffer.alloc(9_000),
        keepUntil: 50 as EpochMs,
        wasReplayed: false,
      };
      await planted.put(tables.request, key, result);
      await planted.put(tables.requestDue, requestDueKey(50 as EpochMs, "c".repeat(16)), true);
      await planted.store.commit([
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
    async (planted) =>
      await planted.put(tables.raw, chunkKey(messageKey(planted.prefix, place(6)), 1), true),
    [
      /message 6: The message row cannot be read: it is not a chunk/,
      /message 6: A row stands where chunk 1 should/,
    ],
  ],
  [
    "rows of a version that is not known",
    async (planted) =>
      await planted.store.commit([
        {
          key: countersKey(planted.prefix),
          framed: Buffer.from([0, 0, 0, 0, 0, 9]),
          mayReplaceChunks: false,
        },
      ]),
    [/^queue default\/orders: The counters row cannot be read: version 9 is unknown\.$/],
  ],
];

/** One of each table, with the prefix of a segment. */
function outOfLayout(prefix: string): readonly string[] {
  const huge = "\xff".repeat(8);
  const zero = "\x00".repeat(8);
  return [
    "\x00\x01ab",
    `${prefix}a123`,
    `${prefix}c1`,
    `${prefix}d1`,
    `${prefix}e1`,
    `${prefix}e${huge}${zero}`,
    `${prefix}gno end`,
    `${prefix}ga b\x00${zero.repeat(3)}`,
    `${prefix}ga\x00${zero.repeat(2)}`,
    `${prefix}ga\x00${huge}${zero.repeat(2)}`,
    `${prefix}h`,
    `${prefix}ha b`,
    `${prefix}l1`,
    `${prefix}m123`,
    `${prefix}q0${zero.repeat(2)}`,
    `${prefix}r${huge}${zero.repeat(2)}`,
    `${prefix}r${zero.repeat(2)}`,
    `${prefix}s1`,
    `${prefix}u123`,
    `${prefix}y123`,
    `${prefix}y${huge}${zero.repeat(2)}`,
    "\x80nowhere",
    "\x80a\x00b\x00c",
    "\x81abc",
    "\x83abc",
    "\x85nowhere",
    "\x86default\x00orders",
  ];
}

test.each(cases)("the check names %s", async (_title, plant, expected) => {
  await expectLines(await storeOfAllKinds(), plant, expected);
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
