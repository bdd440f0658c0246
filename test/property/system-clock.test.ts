// The clock of a running server, over a wall clock that is stepped about: it never goes back, never jumps, and comes no
// nearer to the wall than 500 ppm of the time that has really passed.

import fc from "fast-check";
import { expect, test } from "vitest";
import { epochMs } from "../../src/base/brands.js";
import { createSystemClock } from "../../src/base/clock.js";
import { propertyTimeoutMs, runs } from "../support/property.js";

const hourMs = 3_600_000;
const startMs = Date.UTC(2030, 0, 1);
const slew = 500e-6;

interface Passage {
  /** Time that really passes. */
  readonly elapsedMs: number;
  /** By how much somebody sets the wall clock meanwhile. */
  readonly stepMs: number;
}

const passage: fc.Arbitrary<Passage> = fc.record({
  elapsedMs: fc.oneof(
    fc.constantFrom(0, 0.001, 1, 1_000),
    fc.double({ min: 0, max: 10_000, noNaN: true }),
    fc.integer({ min: 0, max: 48 * hourMs }),
  ),
  stepMs: fc.oneof(
    { weight: 3, arbitrary: fc.constant(0) },
    { weight: 2, arbitrary: fc.constantFrom(-hourMs, hourMs, -1, 1) },
    { weight: 1, arbitrary: fc.integer({ min: -hourMs, max: hourMs }) },
  ),
});

/** A wall and a monotonic clock that do as they are told. */
function sources() {
  let wall = startMs;
  let monotonic = 12_345.678;
  return {
    pass: ({ elapsedMs, stepMs }: Passage): void => {
      monotonic += elapsedMs;
      wall += elapsedMs + stepMs;
    },
    wall: () => wall,
    asked: { wallMs: () => wall, monotonicMs: () => monotonic },
  };
}

test(
  "whatever is done to the wall clock, time never goes back and passes within 500 ppm of what really passed",
  () => {
    fc.assert(
      fc.property(fc.array(passage, { maxLength: 50 }), (passages) => {
        const { pass, wall, asked } = sources();
        const clock = createSystemClock(epochMs(0), asked);
        let last: number = clock.now();
        expect(last).toBe(wall());
        let elapsedMs = 0;
        for (const given of passages) {
          pass(given);
          elapsedMs += given.elapsedMs;
          const now = clock.now();
          expect(now).toBeGreaterThanOrEqual(last);
          // Since the start, not since the last look, so that no error adds up; a millisecond for rounding down.
          expect(Math.abs(now - startMs - elapsedMs)).toBeLessThanOrEqual(elapsedMs * slew + 1.001);
          expect(Number.isInteger(now)).toBe(true);
          last = now;
        }
      }),
      runs(1_000),
    );
  },
  propertyTimeoutMs,
);

test("left alone, time comes back to a wall that was stepped, and stays there", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: -hourMs, max: hourMs }),
      fc.integer({ min: 1, max: 60_000 }),
      (stepMs, lookMs) => {
        const { pass, wall, asked } = sources();
        const clock = createSystemClock(epochMs(0), asked);
        pass({ elapsedMs: 0, stepMs });
        // An hour takes 2,000 hours at 500 ppm.
        pass({ elapsedMs: Math.ceil(Math.abs(stepMs) / slew), stepMs: 0 });
        expect(Math.abs(clock.now() - wall())).toBeLessThanOrEqual(2);
        pass({ elapsedMs: lookMs, stepMs: 0 });
        expect(Math.abs(clock.now() - wall())).toBeLessThanOrEqual(2);
      },
    ),
    runs(300),
  );
});

test("a start behind the last stored instant goes on from there", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: -hourMs, max: hourMs }),
      fc.integer({ min: 0, max: hourMs }),
      (aheadMs, elapsedMs) => {
        const { pass, asked } = sources();
        const clock = createSystemClock(epochMs(startMs + aheadMs), asked);
        const first = clock.now();
        expect(first).toBe(startMs + Math.max(0, aheadMs));
        pass({ elapsedMs, stepMs: 0 });
        expect(clock.now()).toBeGreaterThanOrEqual(first);
        expect(clock.now() - first).toBeLessThanOrEqual(elapsedMs * (1 + slew) + 1);
      },
    ),
    runs(300),
  );
});
