// Random calls on FIFO queues, two of which may be each other's or their own dead-letter queue, beside a plain model: the
// order of each group, round robin, deduplication, attempts, dead letters, and everything that changes them.

import fc from "fast-check";
import { callsOf, type GivenEntry, latest, oneOf, receiveOf, sendOf } from "./calls.js";
import { testOnBothStores } from "./engine-under-test.js";
import { FifoModelQueue } from "./fifo-model.js";
import type { ModelSettings } from "./model-queue.js";
import { historyOf } from "./side-by-side.js";

const settings: fc.Arbitrary<Partial<ModelSettings>> = fc.record(
  {
    visibilityTimeoutMs: oneOf(0, 1_000, 30_000),
    retentionMs: oneOf(60_000, 120_000, 345_600_000),
    delayMs: oneOf(0, 0, 1_000, 5_000),
    inFlightMax: oneOf(1, 2, 5, 120_000, 120_000),
    dedupWindowMs: oneOf(0, 5_000, 300_000, 300_000),
    isContentDeduplicated: fc.boolean(),
    dedupScope: oneOf<"queue" | "group">("queue", "group"),
    isPaused: oneOf(false, false, true),
    retry: oneOf(
      undefined,
      undefined,
      { minimumMs: 1_000, maximumMs: 60_000, factor: 2 },
      { minimumMs: 2_000, maximumMs: 3_000, factor: 1.5 },
    ),
    groupInFlightMax: oneOf(0, 0, 1, 2),
    redrive: oneOf(
      undefined,
      { deadLetterQueue: "b.fifo", receiveCountMax: 1 },
      { deadLetterQueue: "b.fifo", receiveCountMax: 2 },
      { deadLetterQueue: "a.fifo", receiveCountMax: 2 },
    ),
  },
  { requiredKeys: [] },
);

const entry: fc.Arbitrary<GivenEntry> = fc.record({
  content: oneOf(undefined, undefined, undefined, 1, 2),
  sizeBytes: oneOf(1, 1, 50, 20_000, 300_000, 1_048_577),
  group: oneOf("g1", "g1", "g2", "g2", "g3", "g4"),
  dedup: fc.option(fc.nat({ max: 12 }), { nil: undefined, freq: 8 }),
  delayMs: fc.constant(undefined),
  inMs: oneOf(undefined, undefined, undefined, undefined, -1_000, 0, 700, 4_000),
  timeToLiveMs: oneOf(undefined, undefined, undefined, undefined, 1_000, 30_000),
  priority: fc.constant(0),
});

testOnBothStores({
  title: "FIFO queues deliver as the model allows",
  call: callsOf({
    queues: ["a.fifo", "a.fifo", "a.fifo", "b.fifo"],
    settings,
    entry,
    entriesMin: 1,
    entriesMax: 5,
    receivedMax: 10,
    attemptIds: [undefined, undefined, undefined, "t1", "t2"],
    advanceMs: [0, 1, 500, 999, 1_000, 5_000, 29_000, 60_000, 300_000],
  }),
  callsMax: 80,
  runsInMemory: 400,
  runsOnDisk: 40,
  examples: [
    // A lease has ended that nobody has looked at since: the message backs off.
    [
      {
        call: "set",
        queue: "a.fifo",
        settings: { retry: { minimumMs: 1_000, maximumMs: 60_000, factor: 2 } },
      },
      sendOf("a.fifo", { group: "g1", dedup: 1 }),
      receiveOf("a.fifo", { visibilityTimeoutMs: 1 }),
      { call: "advance", ms: 999 },
    ],
    // One of several leased together is visible again, and the others are not.
    [
      sendOf("a.fifo", { group: "g1", dedup: 1 }, { group: "g1", dedup: 2 }),
      receiveOf("a.fifo"),
      { call: "change", queue: "a.fifo", handle: latest(1), timeoutMs: 0 },
      receiveOf("a.fifo"),
    ],
    // An undone receive makes a message one that was never received: the queue's delay holds for it.
    [
      sendOf("a.fifo", { group: "g1", dedup: 1 }),
      receiveOf("a.fifo"),
      { call: "set", queue: "a.fifo", settings: { delayMs: 5_000 } },
      { call: "undo", receive: latest() },
    ],
  ],
  history: historyOf(
    { "b.fifo": {}, "a.fifo": { redrive: { deadLetterQueue: "b.fifo", receiveCountMax: 2 } } },
    (given, queueNamed) => new FifoModelQueue(given, queueNamed),
  ),
});
