// Areas on the earth, around a place: a circle or a box. Who looks for what is in one reads a few ranges of numbers that together
// hold all of it, and asks of each place found there whether it is inside.

import {
  cellOf,
  distanceMeters,
  earthRadiusMeters,
  geoHashEnd,
  geoLimits,
  numberOf,
  type Place,
  stepsMax,
} from "./geo-hash.js";

export type Area =
  | { readonly kind: "circle"; readonly center: Place; readonly radiusMeters: number }
  /** As wide along its place's latitude, and as high, as it says: half to each side. */
  | {
      readonly kind: "box";
      readonly center: Place;
      readonly widthMeters: number;
      readonly heightMeters: number;
    };

/** Its distance from the middle in meters if a place is inside; undefined: it is not. What is at the edge is. */
export function distanceInside(area: Area, place: Place): number | undefined {
  const { center } = area;
  const distance = distanceMeters(center, place);
  if (area.kind === "circle") return distance <= area.radiusMeters ? distance : undefined;
  const { longitude, latitude } = place;
  // As Redis: the width is measured where the place is, not where the middle is.
  const across = distanceMeters({ longitude: center.longitude, latitude }, place);
  const along = distanceMeters({ longitude, latitude: center.latitude }, place);
  return across <= area.widthMeters / 2 && along <= area.heightMeters / 2 ? distance : undefined;
}

/** Numbers from the first to the one before the end. */
export interface GeoRange {
  readonly start: number;
  readonly end: number;
}

/** Cells that an area is covered with. More would fit it closer, and be read in more ranges. */
export const cellsMax = 16;

/** Ranges, in ascending order and apart from each other, that hold every place inside. */
export function coveringRanges(area: Area): readonly GeoRange[] {
  const bounds = boundsOf(area);
  const steps = stepsFor(bounds);
  const ranges: GeoRange[] = [];
  const grid = gridOf(bounds, steps);
  const size = 2 ** steps;
  const numbers = geoHashEnd / 4 ** steps;
  for (let row = grid.firstRow; row <= grid.lastRow; row += 1) {
    for (let count = 0; count < grid.columns; count += 1) {
      const column = (grid.firstColumn + count) % size;
      const start = numberOf({ steps, column, row }) * numbers;
      ranges.push({ start, end: start + numbers });
    }
  }
  return joined(ranges);
}

/** Neighbours in the order of numbers are one range. */
function joined(ranges: readonly GeoRange[]): readonly GeoRange[] {
  const sorted = [...ranges].sort((left, right) => left.start - right.start);
  const found: GeoRange[] = [];
  for (const range of sorted) {
    const last = found.at(-1);
    if (last?.end === range.start) {
      found[found.length - 1] = { start: last.start, end: range.end };
    } else found.push(range);
  }
  return found;
}

/** Degrees that an area reaches. */
export interface AreaBounds {
  readonly south: number;
  readonly north: number;
  /** From the west to the east, of which one may be beyond 180 degrees; undefined: all around. */
  readonly west: number | undefined;
  readonly east: number;
}

/** A hair more than what is computed: of rounding, which is some 1e-14 of a degree, nothing may fall out. */
const slackDegrees = 1e-9;

export function boundsOf(area: Area): AreaBounds {
  const { longitude, latitude } = area.center;
  const upMeters = area.kind === "circle" ? area.radiusMeters : area.heightMeters / 2;
  const up = degrees(upMeters / earthRadiusMeters) + slackDegrees;
  const { latitudeMax } = geoLimits;
  const south = Math.max(-latitudeMax, latitude - up);
  const north = Math.min(latitudeMax, latitude + up);
  const across = area.kind === "circle" ? acrossCircle(area) : acrossBox(area, south, north);
  if (across === undefined || across + slackDegrees >= 180) {
    return { south, north, west: undefined, east: 180 };
  }
  const side = across + slackDegrees;
  return { south, north, west: longitude - side, east: longitude + side };
}

/** Degrees of longitude to each side; undefined: it has a pole in it. */
function acrossCircle({
  center,
  radiusMeters,
}: Extract<Area, { kind: "circle" }>): number | undefined {
  const angle = radiusMeters / earthRadiusMeters;
  const latitude = radians(Math.abs(center.latitude));
  if (latitude + angle >= Math.PI / 2) return undefined;
  return degrees(Math.asin(Math.sin(angle) / Math.cos(latitude)));
}

/** The same where it is narrowest in degrees around: nearest to a pole. */
function acrossBox(
  { widthMeters }: Extract<Area, { kind: "box" }>,
  south: number,
  north: number,
): number | undefined {
  const half = Math.sin(Math.min(Math.PI / 2, widthMeters / 4 / earthRadiusMeters));
  const share = half / Math.cos(radians(Math.max(Math.abs(south), Math.abs(north))));
  return share >= 1 ? undefined : degrees(2 * Math.asin(share));
}

interface Grid {
  readonly firstRow: number;
  readonly lastRow: number;
  readonly firstColumn: number;
  /** How many from there on, to the east. */
  readonly columns: number;
}

function gridOf({ south, north, west, east }: AreaBounds, steps: number): Grid {
  const size = 2 ** steps;
  const firstRow = cellOf({ longitude: 0, latitude: south }, steps).row;
  const lastRow = cellOf({ longitude: 0, latitude: north }, steps).row;
  if (west === undefined) return { firstRow, lastRow, firstColumn: 0, columns: size };
  const first = Math.floor(((west + 180) / 360) * size);
  const last = Math.floor(((east + 180) / 360) * size);
  return {
    firstRow,
    lastRow,
    firstColumn: ((first % size) + size) % size,
    // A column that is met again on the other side counts once.
    columns: Math.min(size, last - first + 1),
  };
}

/** As fine as the number of cells allows. */
function stepsFor(bounds: AreaBounds): number {
  for (let steps = stepsMax; steps > 0; steps -= 1) {
    const { firstRow, lastRow, columns } = gridOf(bounds, steps);
    if ((lastRow - firstRow + 1) * columns <= cellsMax) return steps;
  }
  return 0;
}

const radians = (value: number): number => (value * Math.PI) / 180;
const degrees = (value: number): number => (value * 180) / Math.PI;
