// How much work a filter asks for, and whether that is too much. What is counted is what is written, as SNS counts it.

import { filterKeysCeiling } from "./filter-limits.js";
import type { ConditionReader } from "./parse-condition.js";
import type { FilterCondition, FilterGroup, FilterKey, TextCondition } from "./policy.js";
import type { Place } from "./problems.js";
import { starsOf } from "./wildcard.js";

/** A key as it was written, also where it is wrong. */
export interface WrittenKey extends FilterKey {
  /** Objects around its list, the root among them. */
  readonly depth: number;
  readonly place: Place;
  /** Elements of its list, also those that are no conditions. */
  readonly writtenCount: number;
}

export interface WrittenGroup extends FilterGroup {
  readonly keys: readonly WrittenKey[];
  readonly alternatives: readonly (readonly WrittenGroup[])[];
}

const whole: Place = { at: 0, path: "" };

export function checkComplexity({ problems, limits }: ConditionReader, group: WrittenGroup): void {
  const keys = keysOf(group);
  const paths = new Map<string, Place>();
  for (const { path, place } of keys) if (!paths.has(path)) paths.set(path, place);
  const keysMax = Math.min(limits.keysMax, filterKeysCeiling);
  if (paths.size > keysMax) {
    // The first one that is too much.
    const place = [...paths.values()][keysMax] ?? whole;
    const bound = { what: "keys with conditions", limit: keysMax, actual: paths.size };
    problems.exceeds("FILTER_TOO_MANY_KEYS", place, bound);
  }
  const combinations = combinationsOf(group);
  if (combinations > limits.combinationsMax) {
    const limit = limits.combinationsMax;
    const what = "combinations (values times depth, multiplied)";
    problems.exceeds("FILTER_TOO_COMPLEX", whole, { what, limit, actual: combinations });
  }
  const points = keys.reduce((sum, { conditions }) => sum + wildcardPoints(conditions), 0);
  if (points > limits.wildcardPointsMax) {
    const limit = limits.wildcardPointsMax;
    const what = "points for wildcard patterns";
    problems.exceeds("FILTER_TOO_COMPLEX", whole, { what, limit, actual: points });
  }
}

/** In the order of the text, save that alternatives come after what they stand beside. */
function keysOf({ keys, alternatives }: WrittenGroup): readonly WrittenKey[] {
  return [...keys, ...alternatives.flat().flatMap(keysOf)];
}

/**
 * Values times depth, multiplied over what must hold together; alternatives are summed. `{a: {b: {c: [4 values]}}, d: {e: [3]}}`
 * has 3·4·2·3 = 72. At most 256 KiB of text make at most 1e39000 of it, hence the upper end.
 */
function combinationsOf({ keys, alternatives }: WrittenGroup): number {
  const ofKeys = keys.reduce(
    (product, { writtenCount, depth }) => product * Math.max(writtenCount, 1) * depth,
    1,
  );
  const all = alternatives.reduce(
    (product, branches) =>
      product *
      Math.max(
        1,
        branches.reduce((sum, branch) => sum + combinationsOf(branch), 0),
      ),
    ofKeys,
  );
  return Math.min(all, Number.MAX_SAFE_INTEGER);
}

function wildcardPoints(conditions: readonly FilterCondition[]): number {
  const patterns = conditions.flatMap((condition) =>
    (condition.kind === "no_text_of" ? condition.tests : [condition]).filter(isPattern),
  );
  const sum = patterns.reduce((points, { pattern }) => points + patternPoints(starsOf(pattern)), 0);
  return sum * patterns.length;
}

type Pattern = Extract<TextCondition, { kind: "wildcard" }>;

const isPattern = (condition: FilterCondition): condition is Pattern =>
  condition.kind === "wildcard";

const patternPoints = (stars: number): number => (stars > 1 ? 3 * stars : stars);
