// `forebay cache sorted union`, `intersect`, `diff`: what several sorted sets have together, printed or kept.

import type { Command } from "commander";
import { countsRow, scoredHeadings, scoredRow } from "./cache-collection-rows.js";
import { type Calling, expiryToWire, keyToWire } from "./cache-collections.js";
import { type ItemOptions, withItemOptions } from "./cache-item-commands.js";
import { type CliContext, duration, oneOf, wholeNumber } from "./context.js";
import { usageFailure } from "./failure.js";
import { score } from "./sorted-set-ranges.js";

type Service = typeof import("@forebay/client/gen/forebay/cache/v1/sorted_set_service");

const combinations = [
  { name: "union", operation: "UNION", description: "print what any of some sorted sets has" },
  {
    name: "intersect",
    operation: "INTERSECT",
    description: "print what all of some sorted sets have",
  },
  {
    name: "diff",
    operation: "DIFFERENCE",
    description: "print what the first sorted set has and none of the others, with its scores",
  },
] as const;

const aggregates = ["SUM", "MIN", "MAX"] as const;

interface CombineFlags extends ItemOptions {
  readonly weight?: readonly number[];
  readonly scores: (typeof aggregates)[number];
  readonly limit: number;
  readonly store?: string;
  readonly ttl?: number;
}

export function addCombinations(
  sorted: Command,
  context: CliContext,
  calling: Calling<Service>,
): void {
  for (const { name, operation, description } of combinations) {
    const combine = sorted
      .command(`${name} <key...>`)
      .description(`${description}; a set counts as one whose scores are all 1`)
      .option(
        "--weight <factor>",
        "what scores are multiplied by, one for each key in turn (default 1); may be repeated",
        weights,
      )
      .option(
        "--scores <how>",
        "what becomes of several scores of a member: sum, min or max",
        oneOf(aggregates),
        "SUM" as const,
      )
      .option("--limit <count>", "at most so many (at most 10000)", wholeNumber(1), 100)
      .option("--store <key>", "put all of it there, in the place of whatever is there")
      .option("--ttl <span>", "with --store: how long that lives", duration);
    withItemOptions(combine).action(async (keys: string[], flags: CombineFlags) => {
      const { weight = [], store, ttl } = flags;
      if (weight.length > keys.length) throw usageFailure("There are more weights than keys.");
      if (store === undefined && ttl !== undefined) throw usageFailure("--ttl goes with --store.");
      await calling(flags, async (call, service) => {
        const { SortedSetServiceDefinition, SortedSetOperation, ScoreAggregate } = service;
        const { methods } = SortedSetServiceDefinition;
        const fields = {
          sources: keys.map((key, index) => ({ key: keyToWire(key), weight: weight[index] ?? 1 })),
          operation: SortedSetOperation[operation],
          aggregate: ScoreAggregate[flags.scores],
        };
        if (store !== undefined) {
          const { length, version } = await call(methods.sortedSetStore, {
            ...fields,
            destination: keyToWire(store),
            ...(ttl !== undefined && { expiry: expiryToWire(ttl) }),
          });
          await context.output.one(flags.output, countsRow(store, { length }, version));
          return;
        }
        const { limit } = flags;
        const { elements, count } = await call(methods.sortedSetCombine, { ...fields, limit });
        await context.output.many(flags.output, scoredHeadings, elements.map(scoredRow));
        if (count === 0n) context.output.note("They have nothing of that.");
        const left = Number(count) - elements.length;
        if (left > 0) context.output.note(`There are ${left} more: --limit, or --store.`);
      });
    });
  }
}

const weights = (text: string, before: readonly number[] = []): number[] => [
  ...before,
  score(text),
];
