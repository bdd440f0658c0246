// Ranges of sorted sets: by rank, by score, or by the bytes of members that have one score. Each comes to an interval of places.

import { rangeOf } from "../byte-range.js";
import type { Entries, EntryKey } from "./entries.js";
import { scoreKey } from "./order-keys.js";

export interface Bound<Value> {
  readonly value: Value;
  readonly isExclusive: boolean;
}

export type Range = {
  /** From the last to the first: ranks are counted from the last, too. */
  readonly isReversed: boolean;
} & (
  | {
      readonly by: "rank";
      /** Negative: from the end. */
      readonly start: number;
      /** Not included; undefined: to the end. */
      readonly end: number | undefined;
    }
  | ({ readonly by: "score" } & Bounded<number>)
  /** Of the members of the first one's score: it says what all have. */
  | ({ readonly by: "lex" } & Bounded<EntryKey>)
);

interface Bounded<Value> {
  /** Undefined: none. */
  readonly min: Bound<Value> | undefined;
  readonly max: Bound<Value> | undefined;
  /** So many of them are left out, in the direction of the range. */
  readonly offset: number;
  /** Undefined: all. */
  readonly limit: number | undefined;
}

/** Places of the ascending order, `to` not included; empty where it is not higher than `from`. */
export interface Interval {
  readonly from: number;
  readonly to: number;
}

export function intervalOf(order: Entries, range: Range): Interval {
  const { length } = order;
  if (range.by === "rank") {
    const { start, end } = rangeOf(length, range.start, range.end);
    return range.isReversed ? { from: length - end, to: length - start } : { from: start, to: end };
  }
  const whole =
    range.by === "score"
      ? ofScores(order, range)
      : ofBytes(order, range, order.at(0)?.key.slice(0, 8) ?? "");
  return paged(whole, range);
}

function ofScores(order: Entries, { min, max }: Bounded<number>): Interval {
  const from = min === undefined ? 0 : order.countBelow(edge(scoreKey(min.value), min.isExclusive));
  const to =
    max === undefined
      ? order.length
      : order.countBelow(edge(scoreKey(max.value), !max.isExclusive));
  return { from, to };
}

/** In front of all members of a score, or behind them. */
const edge = (key: EntryKey, isBehind: boolean): EntryKey =>
  isBehind ? key + "\xff".repeat(1_025) : key;

function ofBytes(order: Entries, { min, max }: Bounded<EntryKey>, score: EntryKey): Interval {
  // Nothing stands between a member and the same with a byte 0 behind it.
  const at = (member: EntryKey, isBehind: boolean): number =>
    order.countBelow(score + member + (isBehind ? "\x00" : ""));
  return {
    from: min === undefined ? 0 : at(min.value, min.isExclusive),
    to: max === undefined ? order.length : at(max.value, !max.isExclusive),
  };
}

function paged(
  { from, to }: Interval,
  { offset, limit, isReversed }: { readonly isReversed: boolean } & Bounded<unknown>,
): Interval {
  if (isReversed) {
    const last = to - offset;
    return { from: limit === undefined ? from : Math.max(from, last - limit), to: last };
  }
  const first = from + offset;
  return { from: first, to: limit === undefined ? to : Math.min(to, first + limit) };
}
