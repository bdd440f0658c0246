// Parts of a value or of a list: from the first place to the one after the last, where a place below 0 counts from the end. What lies
// outside is cut off, so that a range is never wrong, only empty.

export interface Range {
  readonly start: number;
  /** After the last; not before `start`. */
  readonly end: number;
}

/** Of something so long. `end` undefined: to its end. */
export function rangeOf(length: number, start: number, end: number | undefined): Range {
  const from = clamp(length, start);
  const to = end === undefined ? length : clamp(length, end);
  return { start: from, end: Math.max(from, to) };
}

const clamp = (length: number, place: number): number =>
  place < 0 ? Math.max(0, length + place) : Math.min(place, length);
