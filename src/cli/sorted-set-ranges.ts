// Which members of a sorted set a command is about: by rank, or by score. The options say it; the contract has one message for it.

import type { SortedSetRange } from "@forebay/client/gen/forebay/cache/v1/sorted_set_service";
import type { Command } from "commander";
import { integer } from "./cache-collections.js";
import { usageFailure } from "./failure.js";

export interface RangeFlags {
  readonly start?: bigint;
  readonly end?: bigint;
  readonly min?: number;
  readonly max?: number;
  readonly above?: number;
  readonly below?: number;
  readonly reverse?: boolean;
}

/** Reads a score. */
export function score(text: string): number {
  const isInfinite = /^[+-]?inf(?:inity)?$/i.test(text);
  if (isInfinite) return text.startsWith("-") ? -Infinity : Infinity;
  const isNumber = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?$/i.test(text);
  if (isNumber) return Number(text);
  throw usageFailure(`"${text}" is no score.`, "Write a number, as in 17, -0.5, 1e9 or inf.");
}

/** Gives a command the options that say which ranks and scores. */
export const withRange = (command: Command): Command =>
  command
    .option("--start <rank>", "from this rank on (default 0; -3: the last three)", integer)
    .option("--end <rank>", "up to this rank, which is left out (default: to the end)", integer)
    .option("--min <score>", "from this score on", score)
    .option("--max <score>", "up to this score", score)
    .option("--above <score>", "only scores above this one", score)
    .option("--below <score>", "only scores below this one", score);

/** What the options say; undefined: all members. */
export function rangeOf(flags: RangeFlags): SortedSetRange | undefined {
  const { start, end, min, max, above, below, reverse = false } = flags;
  const isByRank = start !== undefined || end !== undefined;
  const isByScore = [min, max, above, below].some((bound) => bound !== undefined);
  if (isByRank && isByScore) throw usageFailure("Give ranks or scores, and not both.");
  if (min !== undefined && above !== undefined) throw usageFailure("Give --min or --above.");
  if (max !== undefined && below !== undefined) throw usageFailure("Give --max or --below.");
  if (isByRank) return { range: { $case: "rank", value: { start: start ?? 0n, end } }, reverse };
  if (!isByScore) return undefined;
  const value = {
    min: min ?? above,
    minExclusive: above !== undefined,
    max: max ?? below,
    maxExclusive: below !== undefined,
    offset: 0n,
  };
  return { range: { $case: "score", value }, reverse };
}

/** Every member, one after another. */
export const wholeRange = (reverse = false): SortedSetRange => ({
  range: { $case: "rank", value: { start: 0n } },
  reverse,
});
