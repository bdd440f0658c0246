// Places as numbers, and areas as ranges of them, beside what a search through all places would find.

import fc from "fast-check";
import { expect, test } from "vitest";
import {
  type Area,
  cellsMax,
  coveringRanges,
  distanceInside,
  type GeoRange,
} from "../../src/cache/geo-area.js";
import {
  cellOf,
  cellOfNumber,
  decodePlace,
  distanceMeters,
  encodePlace,
  geoHashEnd,
  geoLimits,
  neighbours,
  numberOf,
  type Place,
  stepsMax,
} from "../../src/cache/geo-hash.js";
import { runs } from "../support/property.js";

const degrees = (max: number): fc.Arbitrary<number> =>
  fc.oneof(
    fc.double({ min: -max, max, noNaN: true }),
    // The ends of the ranges, the middle, and what is next to them.
    fc.constantFrom(-max, max, 0, max - 1e-7, -max + 1e-7, 1e-7, -1e-7),
  );
const place: fc.Arbitrary<Place> = fc.record({
  longitude: degrees(geoLimits.longitudeMax),
  latitude: degrees(geoLimits.latitudeMax),
});

test("a number is of the cell that its place is in, and tells the place to 60 cm", () => {
  fc.assert(
    fc.property(place, (given) => {
      const hash = encodePlace(given);
      expect(Number.isInteger(hash) && hash >= 0 && hash < geoHashEnd).toBe(true);
      const decoded = decodePlace(hash);
      expect(distanceMeters(given, decoded)).toBeLessThan(0.6);
      // What was decoded once stays where it is.
      expect(encodePlace(decoded)).toBe(hash);
    }),
    runs(1_000),
  );
});

test("a cell's number is that of each place in it, without the last bits", () => {
  fc.assert(
    fc.property(place, fc.integer({ min: 0, max: stepsMax }), (given, steps) => {
      const cell = cellOf(given, steps);
      const number = numberOf(cell);
      expect(cellOfNumber(number, steps)).toEqual(cell);
      expect(Math.floor(encodePlace(given) / 4 ** (stepsMax - steps))).toBe(number);
    }),
    runs(1_000),
  );
});

test("numbers are bits of longitude and latitude by turns, as one would write them down", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 2 ** stepsMax - 1 }),
      fc.integer({ min: 0, max: 2 ** stepsMax - 1 }),
      (column, row) => {
        const [columnBits, rowBits] = [column, row].map((bits) =>
          bits.toString(2).padStart(stepsMax, "0"),
        ) as [string, string];
        const bits = [...columnBits].map((bit, at) => `${bit}${rowBits[at]}`).join("");
        expect(numberOf({ steps: stepsMax, column, row })).toBe(Number.parseInt(bits, 2));
      },
    ),
    runs(500),
  );
});

test("the neighbours of a cell are those that touch it, around the world from east to west", () => {
  fc.assert(
    fc.property(place, fc.integer({ min: 0, max: stepsMax }), (given, steps) => {
      const cell = cellOf(given, steps);
      const size = 2 ** steps;
      const found = neighbours(cell);
      const apart = (left: number, right: number): number =>
        Math.min((left - right + size) % size, (right - left + size) % size);
      for (const { column, row } of found) {
        expect(apart(column, cell.column)).toBeLessThanOrEqual(1);
        expect(Math.abs(row - cell.row)).toBeLessThanOrEqual(1);
        expect(column === cell.column && row === cell.row).toBe(false);
        expect(row >= 0 && row < size && column >= 0 && column < size).toBe(true);
      }
      const rows = [cell.row - 1, cell.row, cell.row + 1].filter((row) => row >= 0 && row < size);
      expect(found).toHaveLength(rows.length * Math.min(3, size) - 1);
      expect(new Set(found.map(numberOf)).size).toBe(found.length);
    }),
    runs(500),
  );
});

const meters = fc.oneof(
  fc.constantFrom(0, 1e-3, 1, 20_100_000),
  fc.double({ min: 0, max: 1_000, noNaN: true }),
  fc.double({ min: 0, max: 21_000_000, noNaN: true }),
);
const area: fc.Arbitrary<Area> = fc.oneof(
  fc.record({ kind: fc.constant("circle" as const), center: place, radiusMeters: meters }),
  fc.record({
    kind: fc.constant("box" as const),
    center: place,
    widthMeters: meters,
    heightMeters: meters,
  }),
);
const isIn = (ranges: readonly GeoRange[], number: number): boolean =>
  ranges.some(({ start, end }) => number >= start && number < end);

/** Some way from the middle of an area in some direction, so that many are near its edge. */
const around = (center: Place, reach: number, [east, north]: readonly [number, number]): Place => {
  const latitude = center.latitude + (north * reach) / 111_226;
  const across = Math.max(0.01, Math.cos((Math.min(89, Math.abs(latitude)) * Math.PI) / 180));
  const longitude = center.longitude + (east * reach) / 111_226 / across;
  return {
    longitude: ((((longitude + 180) % 360) + 360) % 360) - 180,
    latitude: Math.max(-geoLimits.latitudeMax, Math.min(geoLimits.latitudeMax, latitude)),
  };
};
const share = fc.double({ min: -1.05, max: 1.05, noNaN: true });

test("every place inside an area is in its ranges, over the date line and beside the poles", () => {
  let insideCount = 0;
  fc.assert(
    fc.property(area, fc.array(fc.tuple(share, share), { maxLength: 40 }), (asked, directions) => {
      const ranges = coveringRanges(asked);
      const reach =
        asked.kind === "circle"
          ? asked.radiusMeters
          : Math.max(asked.widthMeters, asked.heightMeters) / 2;
      for (const direction of [[0, 0] as const, ...directions]) {
        const near = around(asked.center, reach, direction);
        const hash = encodePlace(near);
        if (
          distanceInside(asked, near) !== undefined ||
          distanceInside(asked, decodePlace(hash)) !== undefined
        ) {
          insideCount += 1;
          expect(isIn(ranges, hash)).toBe(true);
        }
      }
    }),
    runs(1_500),
  );
  // Else nothing was tried.
  expect(insideCount).toBeGreaterThan(1_500);
});

test("ranges are few, in order, apart, and fit a small area closely", () => {
  fc.assert(
    fc.property(area, (asked) => {
      const ranges = coveringRanges(asked);
      expect(ranges.length).toBeGreaterThan(0);
      expect(ranges.length).toBeLessThanOrEqual(cellsMax);
      let last = -1;
      for (const { start, end } of ranges) {
        expect(start).toBeGreaterThan(last);
        expect(end).toBeGreaterThan(start);
        last = end;
      }
      expect(last).toBeLessThanOrEqual(geoHashEnd);
    }),
    runs(500),
  );
  fc.assert(
    fc.property(
      fc.double({ min: -180, max: 180, noNaN: true }),
      fc.double({ min: -60, max: 60, noNaN: true }),
      fc.double({ min: 10, max: 100_000, noNaN: true }),
      (longitude, latitude, radiusMeters) => {
        const ranges = coveringRanges({
          kind: "circle",
          center: { longitude, latitude },
          radiusMeters,
        });
        const covered = ranges.reduce((sum, { start, end }) => sum + end - start, 0) / geoHashEnd;
        // Of the map, on which a degree of either kind is a part of its own range.
        const high = (2 * radiusMeters) / 111_226 / (2 * geoLimits.latitudeMax);
        const wide = (2 * radiusMeters) / 111_226 / 360 / Math.cos((latitude * Math.PI) / 180);
        expect(covered).toBeLessThan(30 * high * wide);
      },
    ),
    runs(500),
  );
});
