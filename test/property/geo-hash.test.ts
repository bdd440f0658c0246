// Places as numbers, and areas as ranges of them, beside what a search through all places would find.

import fc from "fast-check";
import { expect, test } from "vitest";
import {
  type Area,
  type AreaBounds,
  boundsOf,
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
  earthRadiusMeters,
  encodePlace,
  geoHashEnd,
  geoLimits,
  neighbours,
  numberOf,
  type Place,
  stepsMax,
} from "../../src/cache/geo-hash.js";
import { runs } from "../support/property.js";

/** Evenly: `fc.double` chooses among all doubles, of which nearly all are nearly 0. */
const evenly = (min: number, max: number): fc.Arbitrary<number> =>
  fc.integer({ min: 0, max: 2 ** 30 }).map((part) => min + ((max - min) * part) / 2 ** 30);

const degrees = (max: number): fc.Arbitrary<number> =>
  fc.oneof(
    evenly(-max, max),
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
  evenly(0, 1_000),
  evenly(0, 21_000_000),
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

const radians = (value: number): number => (value * Math.PI) / 180;
const toDegrees = (value: number): number => (value * 180) / Math.PI;
const onMap = ({ longitude, latitude }: Place): Place => ({
  longitude: ((((longitude + 180) % 360) + 360) % 360) - 180,
  latitude: Math.max(-geoLimits.latitudeMax, Math.min(geoLimits.latitudeMax, latitude)),
});

/** Where one comes to from a place in some direction: radians from north to east, and meters. */
function walked({ longitude, latitude }: Place, bearing: number, meters: number): Place {
  const angle = meters / earthRadiusMeters;
  const [sin, cos] = [Math.sin(radians(latitude)), Math.cos(radians(latitude))];
  const reached = Math.asin(
    Math.min(1, sin * Math.cos(angle) + cos * Math.sin(angle) * Math.cos(bearing)),
  );
  const east = Math.atan2(
    Math.sin(bearing) * Math.sin(angle) * cos,
    Math.cos(angle) - sin * Math.sin(reached),
  );
  return onMap({ longitude: longitude + toDegrees(east), latitude: toDegrees(reached) });
}

/** The direction in which a meridian touches a circle; somewhere, if none does. */
function farthest({ center, radiusMeters }: Extract<Area, { kind: "circle" }>): number {
  const cos = Math.tan(radiusMeters / earthRadiusMeters) * Math.tan(radians(center.latitude));
  return Math.abs(cos) <= 1 ? Math.acos(cos) : Math.PI / 2;
}

/** Places by where they are in an area: -1 and 1 are its edges, or the directions of a circle and how far its edge is. */
function placeIn(asked: Area, [first, second]: readonly [number, number]): Place {
  const { center } = asked;
  if (asked.kind === "circle") {
    // Half a turn, to either side, stands for where the circle reaches farthest to the east and the west.
    const isFarthest = Math.abs(first) === 0.5;
    const bearing = isFarthest ? Math.sign(first) * farthest(asked) : first * Math.PI;
    return walked(center, bearing, Math.abs(second) * asked.radiusMeters);
  }
  const up = toDegrees(asked.heightMeters / 2 / earthRadiusMeters);
  const { latitude } = onMap({ longitude: 0, latitude: center.latitude + up * second });
  const half = Math.sin(Math.min(Math.PI / 2, asked.widthMeters / 4 / earthRadiusMeters));
  const across = 2 * Math.asin(Math.min(1, half / Math.cos(radians(latitude))));
  return onMap({ longitude: center.longitude + toDegrees(across) * first, latitude });
}

/** Cells are so coarse that bounds which are too narrow are seldom seen through them. */
function expectWithin({ south, north, west, east }: AreaBounds, place: Place): void {
  const { longitude, latitude } = place;
  const isWithin = [longitude - 360, longitude, longitude + 360].some(
    (turned) => west === undefined || (turned >= west && turned <= east),
  );
  if (!isWithin || latitude < south || latitude > north) {
    expect.fail(`out of bounds: ${JSON.stringify([place, { south, north, west, east }])}`);
  }
}

/** Edges more than anything else, or just within. */
const share = fc.oneof(
  evenly(-1, 1),
  fc.constantFrom(-1, 1, 0, 0.999_999_9, -0.999_999_9, 0.5, -0.5),
);

test("every place inside an area is in its ranges, over the date line and beside the poles", () => {
  let insideCount = 0;
  fc.assert(
    fc.property(area, fc.array(fc.tuple(share, share), { minLength: 40 }), (asked, shares) => {
      const ranges = coveringRanges(asked);
      for (const near of shares.map((one) => placeIn(asked, one))) {
        const hash = encodePlace(near);
        // What is asked is what was stored, which is a little off.
        if (distanceInside(asked, decodePlace(hash)) === undefined) continue;
        insideCount += 1;
        expectWithin(boundsOf(asked), decodePlace(hash));
        if (!isIn(ranges, hash)) expect.fail(`not covered: ${JSON.stringify([asked, near])}`);
      }
    }),
    runs(1_500),
  );
  // Else nothing was tried.
  expect(insideCount).toBeGreaterThan(15_000);
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
      evenly(-180, 180),
      evenly(-60, 60),
      evenly(10, 100_000),
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
