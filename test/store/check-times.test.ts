// The check of what is found by a time, of remembered ids, and of dead-letter queues and their sources: see `check.test.ts`.

import { describe, expect, test } from "vitest";
import {
  type EpochMs,
  milliseconds,
  type QueueName,
  type Sequence,
} from "../../src/base/brands.js";
import { uuidText } from "../../src/base/ids.js";
import type { ScheduledMessage } from "../../src/queue/model.js";
import {
  attemptKey,
  chunkKey,
  deadLetterSourceKey,
  dedupKey,
  deletedQueueKey,
  deliveryKey,
  lateKey,
  ownExpiryKey,
  scheduledKey,
} from "../../src/store/keys.js";
import { tables } from "../../src/store/tables.js";
import type { EngineHarness } from "../support/engine-harness.js";
import { expectLines, type PlantedCase, PlantedStore } from "../support/planted-store.js";

const hour = 3_600_000;

/**
 * `orders` sends dead letters to `dead`, which holds: `moved`, which came 7 s after it was sent and has a time to live; `plain`;
 * and two messages to come, a long one last. It remembers an id.
 */
async function deadLetters(harness: EngineHarness): Promise<void> {
  await harness.createQueue("dead", { dedupWindowMs: milliseconds(300_000) });
  const redrive = { deadLetterQueue: "dead" as QueueName, receiveCountMax: 1 };
  await harness.createQueue("orders", { redrive });
  await harness.send("orders", { body: "moved", timeToLiveMs: hour });
  harness.clock.advanceAtOnce(5_000);
  await harness.receiveAll("orders", { visibilityTimeoutMs: 2_000 });
  harness.clock.advanceAtOnce(2_000);
  await harness.receiveAll("orders");
  const deliverAt = harness.clock.now() + hour;
  await harness.send(
    "dead",
    { body: "plain", dedupId: "remembered" },
    { body: "soon", deliverAt },
    { body: "long".repeat(5_000), deliverAt: deliverAt + 1 },
  );
}

const deadStore = async (): Promise<PlantedStore> => await PlantedStore.of("dead", deadLetters);

/** The two messages to come, and their keys. */
function scheduled(planted: PlantedStore): readonly (readonly [string, ScheduledMessage])[] {
  const rows = [...planted.store.range(`${planted.prefix}y`, `${planted.prefix}z`)];
  return rows.map(({ key, bytes }) => [key, tables.scheduled.decode(key, bytes)]);
}

function scheduledAt(planted: PlantedStore, index: number): readonly [string, ScheduledMessage] {
  const found = scheduled(planted)[index];
  if (found === undefined) throw new Error("There is no such message to come.");
  return found;
}

const keyTo = (planted: PlantedStore, body: string) => ({
  ownExpiry: (at: number) => ownExpiryKey(planted.prefix, at as EpochMs, planted.place(body)),
  late: (at: number) => lateKey(planted.prefix, at as EpochMs, planted.place(body)),
});

const gone = 9_999 as Sequence;

const cases: readonly PlantedCase[] = [
  [
    "a time to live that no row ends",
    async (planted) => {
      const { expiresAt = 0 } = planted.message("moved");
      await planted.remove(keyTo(planted, "moved").ownExpiry(expiresAt));
    },
    [/^queue default\/dead, message \d+: No row says that its time to live ends at \d+\.$/],
  ],
  [
    "a time to live that ends twice, and of a message that has none or is gone",
    async (planted) => {
      await planted.put(tables.ownExpiry, keyTo(planted, "moved").ownExpiry(5), true);
      await planted.put(tables.ownExpiry, keyTo(planted, "plain").ownExpiry(6), true);
      const key = ownExpiryKey(planted.prefix, 7 as EpochMs, gone);
      await planted.put(tables.ownExpiry, key, true);
    },
    [
      /message \d+: A row says that its time to live ends at 5; it says \d+\.$/,
      /message \d+: A row says that its time to live ends at 6; it says nothing of it\.$/,
      /message 9999: A row says that its time to live ends at 7, and it is not there\.$/,
    ],
  ],
  [
    "a late arrival that no row finds",
    async (planted) => {
      const { indexedAt = 0 } = planted.message("moved");
      await planted.remove(keyTo(planted, "moved").late(indexedAt));
    },
    [/message \d+: No row finds it by the time in its id, \d+\.$/],
  ],
  [
    "a late arrival found twice, and one that is none or is gone",
    async (planted) => {
      await planted.put(tables.late, keyTo(planted, "moved").late(5), true);
      await planted.put(tables.late, keyTo(planted, "plain").late(6), true);
      await planted.put(tables.late, lateKey(planted.prefix, 7 as EpochMs, gone), true);
    },
    [
      /message \d+: A row says that the time in its id is at 5; it says \d+\.$/,
      /message \d+: A row says that the time in its id is at 6; it says nothing of it\.$/,
      /message 9999: A row says that the time in its id is at 7, and it is not there\.$/,
    ],
  ],
  [
    "a late arrival whose id holds another time",
    async (planted) =>
      await planted.changeMessage("moved", {
        indexedAt: ((planted.message("moved").indexedAt ?? 0) + 1) as EpochMs,
      }),
    [
      /message \d+: The time in its id is (\d+), and it is found by \d+/,
      /message \d+: No row finds it by the time in its id/,
      /message \d+: A row says that the time in its id is at \d+; it says \d+/,
      /message \d+: Its own time in the id is \d+, and its delivery says \d+/,
    ],
  ],
  [
    "receives in other queues that have no first",
    async (planted) => await planted.changeDelivery("moved", { firstReceivedAt: undefined }),
    [/message \d+: It counts 1 receives, and its first-received time says otherwise/],
  ],
  [
    "a message to come that is counted and gone",
    async (planted) => await planted.remove(scheduledAt(planted, 0)[0]),
    [/^queue default\/dead: Its counters say 2 messages scheduled, and there are 1\.$/],
  ],
  [
    "messages to come that nobody looks for",
    async (planted) =>
      await planted.changeCounters({
        joinsAt: (scheduledAt(planted, 1)[1].deliverAt + 1) as EpochMs,
      }),
    [0, 1].map(
      () =>
        /scheduled message [0-9a-f-]{36}: It is to join at \d+, and the queue looks for none before \d+/,
    ),
  ],
  [
    "a message to come at another time than its id's",
    async (planted) => {
      const [key, message] = scheduledAt(planted, 0);
      const deliverAt = (message.deliverAt + 5) as EpochMs;
      await planted.remove(key);
      await planted.put(
        tables.scheduled,
        scheduledKey(planted.prefix, deliverAt, message.messageId),
        message,
      );
    },
    [/scheduled message [0-9a-f-]{36}: The time in its id is \d+, and it is to join at \d+/],
  ],
  [
    "a message to come that was accepted after its time, and one accepted in the future",
    async (planted) => {
      for (const [index, acceptedAt] of [
        [0, scheduledAt(planted, 0)[1].deliverAt + 1],
        [1, planted.now + 1],
      ] as const) {
        const [key, message] = scheduledAt(planted, index);
        await planted.put(tables.scheduled, key, {
          ...message,
          acceptedAt: acceptedAt as EpochMs,
        });
      }
    },
    [0, 1].map(() => /scheduled message [0-9a-f-]{36}: It was accepted at \d+, to join at \d+/),
  ],
  [
    "a message to come that lacks a chunk, and one that has one too many",
    async (planted) => {
      const [short, long] = scheduled(planted).map(([key]) => key);
      await planted.remove(chunkKey(long ?? "", 2));
      await planted.put(tables.raw, chunkKey(short ?? "", 1), true);
    },
    [
      /scheduled message [0-9a-f-]{36}: The scheduled message row cannot be read: chunk 2 of 5 is missing/,
      /scheduled message [0-9a-f-]{36}: A row stands where chunk 1 should/,
      /scheduled message [0-9a-f-]{36}: Chunk 1 is stored, and its row has 0/,
    ],
  ],
  [
    "an id remembered from the future and of a message that was not there yet",
    async (planted) => {
      const entry = {
        at: (planted.now + 1) as EpochMs,
        groupId: undefined,
        messageId: Buffer.alloc(16),
        sequence: gone,
      };
      await planted.put(tables.dedup, dedupKey(planted.prefix, "i".repeat(16)), entry);
    },
    [
      /^queue default\/dead, deduplication id i{16}: It is remembered from \d+, after the last instant\.$/,
      /deduplication id i{16}: It names message 9999, which was not given out yet/,
    ],
  ],
  [
    "an id that cannot be read",
    async (planted) =>
      await planted.store.commit([
        {
          key: dedupKey(planted.prefix, "i".repeat(16)),
          framed: Buffer.from([0, 0, 0, 0, 0, 9]),
          mayReplaceChunks: false,
        },
      ]),
    [/deduplication id i{16}: The deduplication id row cannot be read: version 9 is unknown/],
  ],
  [
    "a receive attempt in a standard queue, from the future, of messages that never were",
    async (planted) => {
      const receive = { ordinal: 1, until: planted.now };
      await planted.put(tables.attempt, attemptKey(planted.prefix, "i".repeat(16)), {
        at: (planted.now + 1) as EpochMs,
        wasRepeated: false,
        receives: [
          { ...receive, sequence: 0 as Sequence },
          { ...receive, sequence: planted.place("plain") },
          { ...receive, sequence: gone },
        ],
      });
    },
    [
      /^queue default\/dead, receive attempt i{16}: It is remembered in a standard queue\.$/,
      /receive attempt i{16}: It is remembered from \d+, after the last instant/,
      /receive attempt i{16}: It names message 0, which was not given out yet/,
      /receive attempt i{16}: It names message 9999, which was not given out yet/,
    ],
  ],
  [
    "a dead-letter queue that does not know its source",
    async (planted) => await planted.remove(deadLetterSourceKey("default", "dead", "orders")),
    [/^queue default\/orders: It sends its dead letters to dead, and no row there says so\.$/],
  ],
  [
    "sources that send no dead letters there, or are not there",
    async (planted) => {
      for (const [target, source] of [
        ["orders", "dead"],
        ["other", "orders"],
        ["dead", "ghost"],
      ] as const) {
        const key = deadLetterSourceKey("default", target, source);
        await planted.put(tables.deadLetterSource, key, true);
      }
    },
    [
      /^queue default\/orders: A row says that dead sends its dead letters there; it names none\.$/,
      /^queue default\/other: A row says that orders sends its dead letters there; it names dead\.$/,
      /^queue default\/dead: A row says that ghost sends its dead letters there, and there is no such queue\.$/,
    ],
  ],
  [
    "a queue that was deleted in the future",
    async (planted) =>
      await planted.put(tables.deletedQueue, deletedQueueKey("default", "old"), planted.now + 1),
    [/^deleted queue default\/old: It was deleted at \d+, after the last instant of the store\.$/],
  ],
];

test("times, remembered ids and dead letters contradict nothing", async () => {
  const planted = await deadStore();
  const { sentAt, arrivedAt, indexedAt, expiresAt } = planted.message("moved");
  expect([arrivedAt - sentAt, indexedAt, expiresAt]).toEqual([7_000, sentAt, sentAt + hour]);
  expect(scheduled(planted).map(([, { messageId }]) => uuidText(messageId))).toHaveLength(2);
  expect(await planted.lines()).toEqual([]);
});

test.each(cases)("the check names %s", async (_title, plant, expected) => {
  await expectLines(await deadStore(), plant, expected);
});

describe("receive attempts", () => {
  const attemptStore = async (): Promise<PlantedStore> =>
    await PlantedStore.of("orders.fifo", async (harness) => {
      await harness.createQueue("orders.fifo");
      await harness.send("orders.fifo", { body: "a", groupId: "g", dedupId: "a" });
      await harness.receiveAll("orders.fifo", { attemptId: "once" });
    });

  test("of a FIFO queue contradict nothing", async () => {
    const planted = await attemptStore();
    expect(planted.store.keys(`${planted.prefix}a`, `${planted.prefix}b`, 9)).toHaveLength(1);
    expect(await planted.lines()).toEqual([]);
  });

  test("may name messages that are gone since", async () => {
    const planted = await attemptStore();
    const [key = ""] = planted.store.keys(`${planted.prefix}a`, `${planted.prefix}b`, 1);
    const attempt = planted.row(tables.attempt, key);
    await planted.put(tables.attempt, key, {
      ...attempt,
      // A place that was given out, and nothing stands there.
      receives: attempt.receives.map((receive) => ({
        ...receive,
        sequence: (planted.counters.nextSequence - 1) as Sequence,
      })),
    });
    const last = (planted.counters.nextSequence - 1) as Sequence;
    expect(planted.store.get(deliveryKey(planted.prefix, last))).toBeUndefined();
    expect(await planted.lines()).toEqual([]);
  });
});
