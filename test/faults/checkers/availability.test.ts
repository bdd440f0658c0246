// The judge of availability is judged: gaps and healings on both sides of their bounds.

import { describe, expect, test } from "vitest";
import {
  type AvailabilityBounds,
  judgeAvailability,
  lengthOf,
  longestOutage,
} from "./availability.js";
import type { Wrote } from "./cluster-history.js";

const wrote = (endedMs: number, outcome: Wrote["outcome"] = "ok"): Wrote => ({
  kind: "wrote",
  queue: "q",
  node: "a",
  outcome,
  startedMs: endedMs - 5,
  endedMs,
});

const bounds = (change: Partial<AvailabilityBounds> = {}): AvailabilityBounds => ({
  fromMs: 0,
  untilMs: 10_000,
  outageMsMax: 4_000,
  healedMs: [],
  liveAgainMsMax: 3_000,
  ...change,
});

const kindsIn = (writes: readonly Wrote[], change?: Partial<AvailabilityBounds>) =>
  judgeAvailability(writes, bounds(change)).map(({ kind }) => kind);

describe("outages", () => {
  test("one as long as the bound is allowed", () => {
    expect(kindsIn([wrote(2_000), wrote(6_000), wrote(9_900)])).toEqual([]);
  });

  test("one that is longer is found, with what the refusals said", () => {
    const refused = { ...wrote(4_000, "refused"), why: "NOT_LEADER" };
    const [found] = judgeAvailability(
      [wrote(2_000), refused, wrote(6_001), wrote(9_900)],
      bounds(),
    );
    expect(found?.kind).toBe("unavailable");
    expect(found?.sentence).toContain("4001 ms");
    expect(found?.sentence).toContain("a: NOT_LEADER");
  });

  test("calls that were not acknowledged serve nobody", () => {
    expect(
      kindsIn([wrote(2_000), wrote(4_000, "unknown"), wrote(5_000, "refused"), wrote(7_000)]),
    ).toEqual(["unavailable"]);
  });

  test("one at the beginning, and one that lasts until the end, count as well", () => {
    expect(kindsIn([wrote(4_001), wrote(8_000)])).toEqual(["unavailable"]);
    expect(kindsIn([wrote(3_000), wrote(5_999)])).toEqual(["unavailable"]);
    expect(kindsIn([])).toEqual(["unavailable"]);
  });

  test("without a bound any is allowed", () => {
    expect(kindsIn([], { outageMsMax: undefined })).toEqual([]);
  });

  test("the longest is told", () => {
    const longest = longestOutage([wrote(1_000), wrote(3_500), wrote(9_000)], bounds());
    expect(longest).toEqual({ fromMs: 3_500, untilMs: 9_000 });
    expect(lengthOf(longest)).toBe(5_500);
  });
});

describe("after healing", () => {
  const change = { outageMsMax: undefined, healedMs: [5_000] };

  test("a write within the bound is enough", () => {
    expect(kindsIn([wrote(5_005), wrote(9_000)], change)).toEqual([]);
    expect(kindsIn([wrote(8_000)], change)).toEqual([]);
  });

  test("a later one, one begun before, or one nobody acknowledged is not", () => {
    expect(kindsIn([wrote(8_001)], change)).toEqual(["not live"]);
    expect(kindsIn([wrote(5_004)], change)).toEqual(["not live"]);
    expect(kindsIn([wrote(6_000, "unknown")], change)).toEqual(["not live"]);
  });

  test("every healing is judged", () => {
    expect(kindsIn([wrote(2_000)], { outageMsMax: undefined, healedMs: [1_000, 4_000] })).toEqual([
      "not live",
    ]);
  });
});
