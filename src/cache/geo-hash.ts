// Places on the earth as numbers of 52 bits, as Redis has them: longitude and latitude as parts of their ranges in 26 bits each,
// interleaved. A number can be the score of a sorted set, since a double tells all of them apart, and places that begin with the
// same bits are in the same cell, so that an area is a few ranges of scores (`geo-area.ts`).

export interface Place {
  /** Degrees from -180 to 180, to the east. */
  readonly longitude: number;
  /** Degrees from -85.05112878 to 85.05112878, to the north. */
  readonly latitude: number;
}

/** As EPSG:900913 has them, where a map of the world is a square. */
export const geoLimits = { longitudeMax: 180, latitudeMax: 85.05112878 } as const;

/** Bits of each of the two. */
export const stepsMax = 26;
/** Numbers are below this. */
export const geoHashEnd = 2 ** (2 * stepsMax);

/** As Redis: a sphere of this many meters. */
export const earthRadiusMeters = 6_372_797.560856;

export const isPlace = ({ longitude, latitude }: Place): boolean =>
  Math.abs(longitude) <= geoLimits.longitudeMax && Math.abs(latitude) <= geoLimits.latitudeMax;

/** A cell by its place in the grid of so many steps: columns from the west, rows from the south. */
export interface Cell {
  readonly steps: number;
  readonly column: number;
  readonly row: number;
}

/** The number of a place. */
export const encodePlace = (place: Place): number => numberOf(cellOf(place, stepsMax));

/** The middle of the smallest cell of a number; at most some 60 cm from what was encoded. */
export function decodePlace(hash: number): Place {
  const { column, row } = cellOfNumber(hash, stepsMax);
  const size = 2 ** stepsMax;
  const { longitudeMax, latitudeMax } = geoLimits;
  return {
    longitude: ((column + 0.5) / size) * 2 * longitudeMax - longitudeMax,
    latitude: ((row + 0.5) / size) * 2 * latitudeMax - latitudeMax,
  };
}

/** The cell of so many steps that a place is in. What is at the far end of a range is in the last one. */
export function cellOf({ longitude, latitude }: Place, steps: number): Cell {
  const { longitudeMax, latitudeMax } = geoLimits;
  return {
    steps,
    column: gridPlace(longitude, longitudeMax, steps),
    row: gridPlace(latitude, latitudeMax, steps),
  };
}

function gridPlace(degrees: number, degreesMax: number, steps: number): number {
  const size = 2 ** steps;
  const place = Math.floor(((degrees + degreesMax) / (2 * degreesMax)) * size);
  return Math.min(size - 1, Math.max(0, place));
}

/** Columns at the odd places and rows at the even ones, counted from the lowest. */
export const numberOf = ({ column, row }: Cell): number => {
  // In halves: a double has no bitwise operations beyond 32 bits.
  const high = interleave(row >>> 13, column >>> 13);
  const low = interleave(row & 0x1fff, column & 0x1fff);
  return high * 2 ** 26 + low;
};

export function cellOfNumber(number: number, steps: number): Cell {
  const high = Math.floor(number / 2 ** 26);
  const low = number % 2 ** 26;
  return {
    steps,
    column: compact(high >>> 1) * 2 ** 13 + compact(low >>> 1),
    row: compact(high) * 2 ** 13 + compact(low),
  };
}

/** 13 bits each. */
const interleave = (even: number, odd: number): number => spread(even) | (spread(odd) << 1);

/** Puts a zero before each bit. */
function spread(bits: number): number {
  let spreading = bits;
  spreading = (spreading | (spreading << 8)) & 0x00ff00ff;
  spreading = (spreading | (spreading << 4)) & 0x0f0f0f0f;
  spreading = (spreading | (spreading << 2)) & 0x33333333;
  return (spreading | (spreading << 1)) & 0x55555555;
}

/** Takes every other bit, from the lowest on. */
function compact(bits: number): number {
  let rest = bits & 0x55555555;
  rest = (rest | (rest >>> 1)) & 0x33333333;
  rest = (rest | (rest >>> 2)) & 0x0f0f0f0f;
  rest = (rest | (rest >>> 4)) & 0x00ff00ff;
  return (rest | (rest >>> 8)) & 0x0000ffff;
}

/** The cells around one: up to eight, and fewer at the poles; the world is round from east to west. Each once. */
export function neighbours({ steps, column, row }: Cell): readonly Cell[] {
  const size = 2 ** steps;
  const found = new Map<string, Cell>();
  for (const rowStep of [1, 0, -1]) {
    for (const columnStep of [-1, 0, 1]) {
      const cell = { steps, column: (column + columnStep + size) % size, row: row + rowStep };
      const isSame = cell.column === column && cell.row === row;
      if (isSame || cell.row < 0 || cell.row >= size) continue;
      found.set(`${cell.column} ${cell.row}`, cell);
    }
  }
  return [...found.values()];
}

const alphabet = "0123456789bcdefghjkmnpqrstuvwxyz";

/** The text by which others know a place: eleven letters of the usual geohash, whose latitudes reach up to 90 degrees. */
export function geoHashText(hash: number): string {
  const { longitude, latitude } = decodePlace(hash);
  const size = 2 ** stepsMax;
  const part = (degrees: number, degreesMax: number): number =>
    Math.min(size - 1, Math.floor(((degrees + degreesMax) / (2 * degreesMax)) * size));
  const number = numberOf({
    steps: stepsMax,
    column: part(longitude, 180),
    row: part(latitude, 90),
  });
  let text = "";
  // 52 bits are ten letters and two bits; the eleventh is "0", as Redis has it.
  for (let letter = 0; letter < 10; letter += 1) {
    text += alphabet[Math.floor(number / 2 ** (47 - letter * 5)) % 32];
  }
  return `${text}0`;
}

const radians = (degrees: number): number => (degrees * Math.PI) / 180;

/** Meters between two places along a great circle (haversine). */
export function distanceMeters(from: Place, to: Place): number {
  const upper = Math.sin(radians(to.latitude - from.latitude) / 2);
  const across = Math.sin(radians(to.longitude - from.longitude) / 2);
  const share =
    upper * upper +
    Math.cos(radians(from.latitude)) * Math.cos(radians(to.latitude)) * across * across;
  return 2 * earthRadiusMeters * Math.asin(Math.min(1, Math.sqrt(share)));
}
