// `forebay cache sorted …`: sorted sets, members in the order of their scores.

import type {
  ScoreCompare,
  ScoredMember,
  SortedSetMode,
  SortedSetRange,
} from "@forebay/client/gen/forebay/cache/v1/sorted_set_service";
import type { Command } from "commander";
import {
  countsRow,
  rankHeadings,
  rankRow,
  scoredHeadings,
  scoredRow,
  scoreJson,
} from "./cache-collection-rows.js";
import {
  type Call,
  type Calling,
  callingOf,
  keyFormOf,
  keyToWire,
  type LifeFlags,
  lifeToWire,
  nothingToTake,
  notThere,
  refused,
  type WaitFlags,
  waiting,
  withLife,
  withWait,
} from "./cache-collections.js";
import { type ItemOptions, nothing, withItemOptions } from "./cache-item-commands.js";
import { type CliContext, oneOf, wholeNumber } from "./context.js";
import { usageFailure } from "./failure.js";
import { addCombinations } from "./sorted-set-combinations.js";
import { type RangeFlags, rangeOf, score, wholeRange, withRange } from "./sorted-set-ranges.js";

const load = () => import("@forebay/client/gen/forebay/cache/v1/sorted_set_service");
type Service = Awaited<ReturnType<typeof load>>;
type InSortedSets = Calling<Service>;

export function addSortedSetCommands(cache: Command, context: CliContext): void {
  const sorted = cache
    .command("sorted")
    .description("sorted sets: members in the order of their scores");
  const calling: InSortedSets = callingOf(context, load);
  addPut(sorted, context, calling);
  addIncrement(sorted, context, calling);
  addList(sorted, context, calling);
  addRank(sorted, context, calling);
  addLength(sorted, context, calling);
  addRemove(sorted, context, calling);
  addPop(sorted, context, calling);
  addCombinations(sorted, context, calling);
}

interface ConditionFlags {
  readonly ifAbsent: boolean;
  readonly ifPresent: boolean;
  readonly ifGreater: boolean;
  readonly ifLess: boolean;
}

const withConditions = (command: Command): Command =>
  command
    .option("--if-absent", "only of members that are not there", false)
    .option("--if-present", "only of members that are there", false)
    .option("--if-greater", "of one that is there only if it becomes greater", false)
    .option("--if-less", "of one that is there only if it becomes less", false);

function conditionsOf(
  flags: ConditionFlags,
  { SortedSetMode: modes, ScoreCompare: compares }: Service,
): { readonly mode: SortedSetMode; readonly compare: ScoreCompare } {
  let mode: SortedSetMode = modes.UPSERT;
  if (flags.ifAbsent) mode = modes.ONLY_NEW;
  else if (flags.ifPresent) mode = modes.ONLY_EXISTING;
  let compare: ScoreCompare = compares.ANY;
  if (flags.ifGreater) compare = compares.GREATER;
  else if (flags.ifLess) compare = compares.LESS;
  return { mode, compare };
}

function checkConditions({ ifAbsent, ifPresent, ifGreater, ifLess }: ConditionFlags): void {
  if (ifAbsent && ifPresent) throw usageFailure("Give --if-absent or --if-present, and not both.");
  if (ifGreater && ifLess) throw usageFailure("Give --if-greater or --if-less, and not both.");
}

interface PutFlags extends ItemOptions, LifeFlags, ConditionFlags {
  readonly keep?: number;
  readonly dropHighest: boolean;
}

function addPut(sorted: Command, context: CliContext, calling: InSortedSets): void {
  const put = sorted
    .command("put <key> <member=score...>")
    .description("give members scores; those that are there get another one")
    .option("--keep <count>", "how many there are at most: the lowest go", wholeNumber(1))
    .option("--drop-highest", "with --keep: the highest go instead", false);
  withItemOptions(withLife(withConditions(put))).action(
    async (key: string, given: string[], flags: PutFlags) => {
      checkConditions(flags);
      if (flags.dropHighest && flags.keep === undefined) {
        throw usageFailure("--drop-highest goes with --keep.");
      }
      const elements = given.map(scoredOf);
      await calling(flags, async (call, service) => {
        const { CapDrop, SortedSetServiceDefinition } = service;
        const { added, updated, dropped, length, version } = await call(
          SortedSetServiceDefinition.methods.sortedSetPut,
          {
            keyForm: keyFormOf(key),
            elements,
            ...conditionsOf(flags, service),
            cap: BigInt(flags.keep ?? 0),
            capDrop: flags.dropHighest ? CapDrop.HIGHEST : CapDrop.LOWEST,
            ...lifeToWire(flags),
          },
        );
        const counts = { added, updated, ...(flags.keep !== undefined && { dropped }), length };
        await context.output.one(flags.output, countsRow(key, counts, version));
      });
    },
  );
}

/** Of `member=score`; the score follows the last `=`, as no score has one. */
function scoredOf(text: string): ScoredMember {
  const at = text.lastIndexOf("=");
  if (at < 1) throw usageFailure(`"${text}" is not of the form member=score.`);
  return { member: keyToWire(text.slice(0, at)), score: score(text.slice(at + 1)) };
}

function addIncrement(sorted: Command, context: CliContext, calling: InSortedSets): void {
  const incr = sorted
    .command("incr <key> <member> [by]")
    .description(
      "add to the score of a member (default 1; -- -1 to take away) and print it; exit code 4 if a condition forbids it",
    );
  withItemOptions(withLife(withConditions(incr))).action(
    async (
      key: string,
      member: string,
      by = "1",
      flags: ItemOptions & LifeFlags & ConditionFlags,
    ) => {
      checkConditions(flags);
      const delta = score(by);
      await calling(flags, async (call, service) => {
        const { methods } = service.SortedSetServiceDefinition;
        const changed = await call(methods.sortedSetIncrement, {
          keyForm: keyFormOf(key),
          member: keyToWire(member),
          delta,
          ...conditionsOf(flags, service),
          ...lifeToWire(flags),
        });
        if (!changed.applied) {
          const is = changed.score === undefined ? "is not there" : `has ${changed.score}`;
          throw refused(`Nothing was changed: ${member} ${is}.`);
        }
        const text = String(changed.score);
        await context.output.one(flags.output, {
          cells: { key, member, score: text },
          json: { key, member, score: scoreJson(changed.score ?? 0) },
          raw: text,
        });
      });
    },
  );
}

/** Members an answer has at most: the contract's own limit. */
const answerMax = 10_000;

interface ListFlags extends ItemOptions, RangeFlags {
  readonly limit: number;
}

function addList(sorted: Command, context: CliContext, calling: InSortedSets): void {
  const list = sorted
    .command("ls <key>")
    .description("list members with their scores, the lowest first")
    .option("--reverse", "the highest first; ranks count from there, too", false)
    .option("--limit <count>", "at most so many (at most 10000)", wholeNumber(1), 100);
  withItemOptions(withRange(list)).action(async (key: string, flags: ListFlags) => {
    if (flags.limit > answerMax) throw usageFailure(`--limit is at most ${answerMax}.`);
    const range = rangeOf(flags) ?? wholeRange(flags.reverse);
    await calling(flags, async (call, { SortedSetServiceDefinition: { methods } }) => {
      const { found, elements, hasMore } = await call(methods.sortedSetFetch, {
        keyForm: keyFormOf(key),
        range,
        limit: flags.limit,
      });
      if (!found) throw nothing(key);
      const count = await context.output.many(
        flags.output,
        scoredHeadings,
        elements.map(scoredRow),
      );
      if (count === 0) context.output.note("No member is in that range.");
      if (hasMore) context.output.note("There are more: --limit, or a range.");
    });
  });
}

const rankModes = ["ORDINAL", "COMPETITION", "DENSE"] as const;

interface RankFlags extends ItemOptions {
  readonly reverse: boolean;
  readonly ties: (typeof rankModes)[number];
}

function addRank(sorted: Command, context: CliContext, calling: InSortedSets): void {
  const rank = sorted
    .command("rank <key> <member...>")
    .description(
      "print ranks, which begin with 0, and scores of members; exit code 3 if none of them is there",
    )
    .option("--reverse", "from the highest score to the lowest", false)
    .option(
      "--ties <mode>",
      "members of one score: ordinal (0, 1, 2, 3), competition (0, 1, 1, 3) or dense (0, 1, 1, 2)",
      oneOf(rankModes),
      "ORDINAL" as const,
    );
  withItemOptions(rank).action(async (key: string, members: string[], flags: RankFlags) => {
    await calling(flags, async (call, { SortedSetServiceDefinition: { methods }, RankMode }) => {
      const answer = await call(methods.sortedSetRanks, {
        keyForm: keyFormOf(key),
        members: members.map(keyToWire),
        reverse: flags.reverse,
        rankMode: RankMode[flags.ties],
      });
      if (!answer.found) throw nothing(key);
      const rows = members.flatMap((member, index) => {
        const found = answer.members[index];
        return found?.found === true ? [rankRow(member, found)] : [];
      });
      if (rows.length === 0) throw notThere(`${key} has no ${members.join(", no ")}.`);
      await context.output.many(flags.output, rankHeadings, rows);
      const missing = members.length - rows.length;
      if (missing > 0) context.output.note(`${missing} of them are not there.`);
    });
  });
}

function addLength(sorted: Command, context: CliContext, calling: InSortedSets): void {
  const length = sorted
    .command("len <key>")
    .description("count members, all or of a range; 0 if the key has nothing");
  withItemOptions(withRange(length)).action(
    async (key: string, flags: ItemOptions & RangeFlags) => {
      const range = rangeOf(flags);
      await calling(flags, async (call, { SortedSetServiceDefinition: { methods } }) => {
        const { count } = await call(methods.sortedSetCount, {
          keyForm: keyFormOf(key),
          ...(range !== undefined && { range }),
        });
        await context.output.one(flags.output, countsRow(key, { length: count }));
      });
    },
  );
}

interface Removed {
  readonly removed: bigint;
  readonly length: bigint;
  readonly version: bigint;
}

function addRemove(sorted: Command, context: CliContext, calling: InSortedSets): void {
  const remove = sorted
    .command("rm <key> [member...]")
    .description("remove members, those that are named or those of a range")
    .option("--reverse", "ranks count from the highest score", false);
  const removing = (
    call: Call,
    { SortedSetServiceDefinition: { methods } }: Service,
    which: {
      readonly key: string;
      readonly members: readonly string[];
      readonly range: SortedSetRange | undefined;
    },
  ): Promise<Removed> => {
    const keyForm = keyFormOf(which.key);
    return which.range === undefined
      ? call(methods.sortedSetRemove, { keyForm, members: which.members.map(keyToWire) })
      : call(methods.sortedSetRemoveRange, { keyForm, range: which.range });
  };
  withItemOptions(withRange(remove)).action(
    async (key: string, members: string[], flags: ItemOptions & RangeFlags) => {
      const range = rangeOf(flags);
      if ((members.length === 0) === (range === undefined)) {
        throw usageFailure(
          "Give members or a range.",
          "As in `forebay cache sorted rm board ada`, or `--below 100`.",
        );
      }
      await calling(flags, async (call, service) => {
        const { removed, length, version } = await removing(call, service, { key, members, range });
        await context.output.one(flags.output, countsRow(key, { removed, length }, version));
      });
    },
  );
}

interface PopFlags extends ItemOptions, WaitFlags {
  readonly highest: boolean;
  readonly count: number;
}

function addPop(sorted: Command, context: CliContext, calling: InSortedSets): void {
  const pop = sorted
    .command("pop <key>")
    .description(
      "take the members with the lowest scores, and print them; exit code 3 if there is none",
    )
    .option("--highest", "with the highest scores instead", false)
    .option("--count <count>", "at most so many", wholeNumber(1), 1);
  withItemOptions(withWait(pop)).action(async (key: string, flags: PopFlags) => {
    await calling(flags, async (call, { SortedSetServiceDefinition: { methods }, ScoreEnd }) => {
      const wait = waiting(context, flags);
      const fields = {
        keyForm: keyFormOf(key),
        end: flags.highest ? ScoreEnd.MAX : ScoreEnd.MIN,
        count: flags.count,
        ...wait.fields,
      };
      const taken = await call(methods.sortedSetPop, fields, wait.options);
      if (taken.elements.length === 0) throw nothingToTake(key, taken.timedOut);
      await context.output.many(flags.output, scoredHeadings, taken.elements.map(scoredRow));
    });
  });
}
