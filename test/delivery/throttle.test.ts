// How fast one subscription, and one destination, is sent to: buckets over a time that is given.

import { expect, test } from "vitest";
import { epochMs } from "../../src/base/brands.js";
import { DestinationLimits } from "../../src/delivery/destination-limits.js";
import { fullBucket, type TokenBucket, takeToken } from "../../src/delivery/throttle.js";

const start = Date.UTC(2030, 0, 1);

/** When each of so many deliveries goes, in milliseconds from the start, all of them ready at once. */
function departures(count: number, perSecond: number): number[] {
  let nowMs = start;
  let bucket: TokenBucket = fullBucket(perSecond, epochMs(start));
  const times: number[] = [];
  for (let step = 0; times.length < count && step < 10 * count; step += 1) {
    const taken = takeToken(bucket, perSecond, epochMs(nowMs));
    bucket = taken.bucket;
    if (taken.kind === "taken") times.push(nowMs - start);
    else nowMs += taken.waitMs;
  }
  return times;
}

test("50 deliveries at ten a second: ten at once, then one every 100 ms", () => {
  const times = departures(50, 10);
  expect(times.slice(0, 10)).toEqual(Array.from({ length: 10 }, () => 0));
  expect(times.slice(10, 13)).toEqual([100, 200, 300]);
  expect(times).toHaveLength(50);
  expect(times.at(-1)).toBeGreaterThanOrEqual(4_000);
  expect(times.at(-1)).toBeLessThanOrEqual(4_050);
});

test("a bucket says how long to wait, and a millisecond earlier is too early", () => {
  let bucket = fullBucket(1, epochMs(start));
  bucket = takeToken(bucket, 1, epochMs(start)).bucket;
  expect(takeToken(bucket, 1, epochMs(start))).toMatchObject({ kind: "empty", waitMs: 1_000 });
  expect(takeToken(bucket, 1, epochMs(start + 999))).toMatchObject({ kind: "empty", waitMs: 1 });
  expect(takeToken(bucket, 1, epochMs(start + 1_000)).kind).toBe("taken");
});

test("an idle bucket saves up no more than a second's worth", () => {
  let bucket = fullBucket(2, epochMs(start));
  const later = epochMs(start + 3_600_000);
  const kinds = [1, 2, 3].map(() => {
    const taken = takeToken(bucket, 2, later);
    bucket = taken.bucket;
    return taken.kind;
  });
  expect(kinds).toEqual(["taken", "taken", "empty"]);
});

test("a lower rate holds for what was saved up under a higher one", () => {
  const bucket = fullBucket(100, epochMs(start));
  const taken = takeToken(bucket, 1, epochMs(start));
  expect(taken.kind).toBe("taken");
  expect(takeToken(taken.bucket, 1, epochMs(start)).kind).toBe("empty");
});

test("ten attempts at one destination, and the eleventh when one is over; another destination has its own ten", () => {
  const limits = new DestinationLimits();
  const now = epochMs(start);
  const entries = Array.from({ length: 10 }, () => limits.enter("a.example", now));
  expect(entries.map(({ kind }) => kind)).toEqual(entries.map(() => "entered"));
  expect(limits.enter("a.example", now).kind).toBe("full");
  expect(limits.enter("b.example", now).kind).toBe("entered");
  const [first] = entries;
  if (first?.kind !== "entered") throw new Error("It did not enter.");
  first.leave();
  first.leave();
  expect(limits.enter("a.example", now).kind).toBe("entered");
  // Leaving twice left once.
  expect(limits.enter("a.example", now).kind).toBe("full");
});

test("fifty attempts a second at one destination, also after it was forgotten while it was not idle", () => {
  const limits = new DestinationLimits();
  const now = epochMs(start);
  const enter = (): string => {
    const entry = limits.enter("a.example", now);
    if (entry.kind === "entered") entry.leave();
    return entry.kind;
  };
  const kinds = Array.from({ length: 51 }, enter);
  expect(kinds.filter((kind) => kind === "entered")).toHaveLength(50);
  expect(limits.enter("a.example", now)).toMatchObject({ kind: "too_fast", waitMs: 20 });
  limits.forget(epochMs(start + 10));
  expect(limits.enter("a.example", epochMs(start + 10)).kind).toBe("too_fast");
});

test("a destination with an attempt in flight is not forgotten, and an idle one is after a second", () => {
  const limits = new DestinationLimits();
  const entries = Array.from({ length: 10 }, () => limits.enter("a.example", epochMs(start)));
  const later = epochMs(start + 60_000);
  limits.forget(later);
  expect(limits.enter("a.example", later).kind).toBe("full");
  for (const entry of entries) if (entry.kind === "entered") entry.leave();
  limits.forget(later);
  expect(limits.enter("a.example", later).kind).toBe("entered");
});
