// Random calls on standard queues with everything mixed, which may be each other's or their own dead-letter queue, beside a plain
// model: plain and delayed messages, priorities, groups, rejects, times to live, times to come, retries and dead letters.

import fc from "fast-check";
import { callsOf, type GivenEntry, latest, oneOf, receiveOf, sendOf } from "./calls.js";
import { testOnBothStores } from "./engine-under-test.js";
import { MixedModelQueue } from "./mixed-model.js";
import type { ModelSettings } from "./model-queue.js";
import { historyOf } from "./side-by-side.js";

const settings: fc.Arbitrary<Partial<ModelSettings>> = fc.record(
  {
    visibilityTimeoutMs: oneOf(0, 1_000, 30_000),
    retentionMs: oneOf(60_000, 120_000, 345_600_000),
    delayMs: oneOf(0, 0, 1_000, 5_000),
    inFlightMax: oneOf(1, 2, 5, 120_000, 120_000),
    receiptPolicy: oneOf<"lenient" | "strict">("lenient", "strict"),
    dedupWindowMs: oneOf(0, 5_000, 300_000),
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
      { deadLetterQueue: "b", receiveCountMax: 1 },
      { deadLetterQueue: "b", receiveCountMax: 4 },
      { deadLetterQueue: "a", receiveCountMax: 3 },
    ),
    priorityAgeingMs: oneOf(1_000, 60_000),
  },
  { requiredKeys: [] },
);

const entry: fc.Arbitrary<GivenEntry> = fc.record({
  content: fc.constant(undefined),
  sizeBytes: oneOf(1, 1, 50, 20_000, 100_000, 1_048_577),
  group: oneOf(undefined, undefined, "g1", "g1", "g2", "g3"),
  dedup: fc.option(fc.nat({ max: 5 }), { nil: undefined, freq: 2 }),
  delayMs: oneOf(undefined, undefined, undefined, 0, 1, 1_000, 5_000),
  inMs: oneOf(undefined, undefined, undefined, undefined, -1_000, 0, 700, 4_000),
  timeToLiveMs: oneOf(undefined, undefined, undefined, undefined, 1_000, 30_000),
  priority: oneOf(0, 0, 0, 0, 1, 5, 9),
});

testOnBothStores({
  title: "standard queues deliver as the model does",
  call: callsOf({
    queues: ["a", "a", "a", "b", "b", "c"],
    settings,
    entry,
    entriesMin: 1,
    entriesMax: 5,
    receivedMax: 10,
    attemptIds: [undefined],
    advanceMs: [0, 1, 500, 999, 1_000, 5_000, 26_000, 30_000, 60_000, 300_000],
  }),
  callsMax: 80,
  runsInMemory: 500,
  runsOnDisk: 40,
  examples: [
    // A receive that looks one group ahead leaves nothing open behind it.
    [sendOf("c", { group: "g1" }, { group: "g2" }), receiveOf("c", { countMax: 1 })],
    // An undone receive puts a message back where it stood, also one that stood behind all others.
    [
      sendOf("c", {}, {}),
      receiveOf("c", { countMax: 1 }),
      { call: "give back", queue: "c", handle: latest(), delayMs: 0, isRejected: true },
      receiveOf("c"),
      { call: "undo", receive: latest() },
      receiveOf("c", { countMax: 1 }),
    ],
    // A dead letter that is older than what stands before it expires in its time.
    [
      sendOf("a", {}),
      { call: "advance", ms: 1_000 },
      sendOf("b", {}),
      receiveOf("a", { visibilityTimeoutMs: 0 }),
      receiveOf("a", { visibilityTimeoutMs: 0 }),
      receiveOf("a"),
      { call: "advance", ms: 29_000 },
      { call: "advance", ms: 30_000 },
      { call: "report", queue: "b" },
    ],
  ],
  history: historyOf(
    {
      c: {},
      b: { retentionMs: 60_000, redrive: { deadLetterQueue: "c", receiveCountMax: 1 } },
      a: { redrive: { deadLetterQueue: "b", receiveCountMax: 2 } },
    },
    (given, queueNamed) => new MixedModelQueue(given, queueNamed),
  ),
});
