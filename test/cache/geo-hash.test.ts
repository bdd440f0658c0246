// Places and areas by what Redis documents of them, and at the seams of the map.

import { expect, test } from "vitest";
import { coveringRanges, distanceInside } from "../../src/cache/geo-area.js";
import {
  cellOf,
  decodePlace,
  distanceMeters,
  encodePlace,
  geoHashText,
  geoLimits,
  isPlace,
  neighbours,
} from "../../src/cache/geo-hash.js";

const palermo = { longitude: 13.361389, latitude: 38.115556 };
const catania = { longitude: 15.087269, latitude: 37.502669 };

test("Palermo and Catania have the scores, texts and distance that the documents of Redis give", () => {
  expect(encodePlace(palermo)).toBe(3_479_099_956_230_698);
  expect(encodePlace(catania)).toBe(3_479_447_370_796_909);
  expect(geoHashText(encodePlace(palermo))).toBe("sqc8b49rny0");
  expect(geoHashText(encodePlace(catania))).toBe("sqdtr74hyu0");
  // What GEOPOS and GEODIST answer is of what was stored, not of what was given.
  const [from, to] = [encodePlace(palermo), encodePlace(catania)].map(decodePlace) as [
    typeof palermo,
    typeof catania,
  ];
  expect(from.longitude).toBeCloseTo(13.361389338970184, 14);
  expect(from.latitude).toBeCloseTo(38.1155563954963, 13);
  expect(distanceMeters(from, to).toFixed(4)).toBe("166274.1516");
});

test("what is within 100 and 200 km of a place is what the documents of Redis give", () => {
  const center = { longitude: 15, latitude: 37 };
  const within = (radiusMeters: number) =>
    [palermo, catania].map((place) =>
      distanceInside({ kind: "circle", center, radiusMeters }, place),
    );
  const [far, near] = within(200_000);
  expect(((far ?? 0) / 1_000).toFixed(4)).toBe("190.4424");
  expect(((near ?? 0) / 1_000).toFixed(4)).toBe("56.4413");
  expect(within(100_000)[0]).toBeUndefined();
  expect(within(100_000)[1]).toBeDefined();
});

test("the edge of a circle is inside, and what is a millimeter farther is not", () => {
  const radiusMeters = distanceMeters(palermo, catania);
  expect(distanceInside({ kind: "circle", center: palermo, radiusMeters }, catania)).toBe(
    radiusMeters,
  );
  const smaller = { kind: "circle", center: palermo, radiusMeters: radiusMeters - 1e-3 } as const;
  expect(distanceInside(smaller, catania)).toBeUndefined();
});

test("a box is as wide as it says where the place is, and half as high to each side", () => {
  const box = {
    kind: "box",
    center: { longitude: 0, latitude: 0 },
    widthMeters: 222_452,
    heightMeters: 22_245,
  } as const;
  expect(distanceInside(box, { longitude: 0.999, latitude: 0 })).toBeDefined();
  expect(distanceInside(box, { longitude: 1.001, latitude: 0 })).toBeUndefined();
  expect(distanceInside(box, { longitude: 0, latitude: -0.0999 })).toBeDefined();
  expect(distanceInside(box, { longitude: 0, latitude: -0.1001 })).toBeUndefined();
});

test("the ends of the map are places, and what is beyond is none", () => {
  const { longitudeMax, latitudeMax } = geoLimits;
  expect(isPlace({ longitude: longitudeMax, latitude: -latitudeMax })).toBe(true);
  expect(isPlace({ longitude: 180.000001, latitude: 0 })).toBe(false);
  expect(isPlace({ longitude: 0, latitude: 85.05112879 })).toBe(false);
  expect(isPlace({ longitude: Number.NaN, latitude: 0 })).toBe(false);
  expect(encodePlace({ longitude: -longitudeMax, latitude: -latitudeMax })).toBe(0);
  expect(encodePlace({ longitude: longitudeMax, latitude: latitudeMax })).toBe(2 ** 52 - 1);
});

test("the date line is no edge: what is just beyond it is near", () => {
  const fiji = { longitude: 179.99, latitude: -17 };
  const beyond = { longitude: -179.99, latitude: -17 };
  expect(distanceMeters(fiji, beyond)).toBeLessThan(2_200);
  const ranges = coveringRanges({ kind: "circle", center: fiji, radiusMeters: 3_000 });
  for (const place of [fiji, beyond]) {
    const hash = encodePlace(place);
    expect(ranges.some(({ start, end }) => hash >= start && hash < end)).toBe(true);
  }
  expect(neighbours(cellOf(fiji, 5)).map(({ column }) => column)).toContain(0);
});
