// The judge of the group's time is judged: times that run alike, and times that do not.

import { expect, test } from "vitest";
import { arrived, overStream } from "../../crash/example-events.js";
import type { Arrived } from "../../crash/history.js";
import { judgeGroupTime } from "./group-time.js";

const beganMs = 1_700_000_000_000;

/** A receive that took 10 ms at `atMs` of the clients' time and at `groupMs` of the group's, both from the start of the run. */
const received = (atMs: number, groupMs: number, change: Partial<Arrived> = {}): Arrived =>
  arrived({
    startedMs: atMs,
    endedMs: atMs + 10,
    leasedUntilMs: beganMs + groupMs + 1_000,
    ...change,
  });

test.each<[string, Arrived[]]>([
  ["nothing was received", []],
  ["both times run alike", [received(0, 5), received(60_000, 60_005)]],
  ["the group's time is slewed", [received(0, 5), received(60_000, 60_305)]],
  [
    "an answer came so late that nothing is known",
    [received(0, 5), received(1_000, 9_000, { endedMs: 9_500 })],
  ],
  ["what jumped came over a stream", [received(0, 5), received(1_000, 90_000, overStream)]],
])("nothing is found when %s", (_, events) => {
  expect(judgeGroupTime(events)).toEqual([]);
});

test.each<[string, Arrived[]]>([
  ["forward", [received(0, 5), received(60_000, 3_660_000)]],
  ["back", [received(0, 3_600_005), received(60_000, 60_000)]],
  ["by half a second and more", [received(0, 0), received(1_000, 1_521)]],
])("a jump %s is found", (_, events) => {
  expect(judgeGroupTime(events)).toMatchObject([{ kind: "time jumped" }]);
});
