// Random calls on standard queues with tenants that send and hold much more than others, beside a plain model: quiet groups
// before noisy ones, of these the one with the fewest in flight, and numbers that say which groups are noisy.

import fc from "fast-check";
import { callsOf, type GivenEntry, oneOf, receiveOf, sendOf } from "./calls.js";
import { testOnBothStores } from "./engine-under-test.js";
import { MixedModelQueue } from "./mixed-model.js";
import type { ModelSettings } from "./model-queue.js";
import { historyOf } from "./side-by-side.js";

const settings: fc.Arbitrary<Partial<ModelSettings>> = fc.record(
  {
    visibilityTimeoutMs: oneOf(5_000, 30_000, 120_000),
    groupInFlightMax: oneOf(0, 0, 0, 31, 40),
    redrive: oneOf(undefined, undefined, { deadLetterQueue: "a", receiveCountMax: 2 }),
  },
  { requiredKeys: [] },
);

const entry: fc.Arbitrary<GivenEntry> = fc.record({
  content: fc.constant(undefined),
  sizeBytes: fc.constant(1),
  group: oneOf("g1", "g1", "g1", "g1", "g2", "g2", "g3", undefined),
  dedup: fc.constant(undefined),
  delayMs: oneOf(undefined, undefined, undefined, undefined, undefined, 1_000),
  inMs: fc.constant(undefined),
  timeToLiveMs: oneOf(undefined, undefined, undefined, undefined, undefined, undefined, 30_000),
  priority: oneOf(0, 0, 0, 0, 0, 0, 5),
});

testOnBothStores({
  title: "noisy groups wait for quiet ones",
  call: callsOf({
    queues: ["a"],
    settings,
    entry,
    entriesMin: 5,
    entriesMax: 40,
    receivedMax: 60,
    attemptIds: [undefined],
    advanceMs: [1, 1_000, 1_000, 5_000, 29_000, 61_000, 290_000],
  }),
  callsMax: 40,
  runsInMemory: 150,
  runsOnDisk: 20,
  examples: [
    // A group that holds thirty is noisy, and one that holds less comes before it.
    [
      sendOf("a", ...Array.from({ length: 40 }, () => ({ group: "g1" }))),
      receiveOf("a", { countMax: 30 }),
      sendOf("a", { group: "g2" }),
      receiveOf("a", { countMax: 3 }),
    ],
  ],
  history: historyOf({ a: {} }, (given, queueNamed) => new MixedModelQueue(given, queueNamed)),
});
