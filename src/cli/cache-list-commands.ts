// `forebay cache list …`: lists, values in the order they were given. What is pushed goes to the back and what is popped comes from
// the front unless they say otherwise: the oldest is out first. (Of the contract both are the front, as LPUSH and LPOP of Redis.)

import { CollectionEnd } from "@forebay/client/gen/forebay/cache/v1/collection";
import type { Command } from "commander";
import { countsRow, listHeadings, listRow } from "./cache-collection-rows.js";
import {
  type Calling,
  callingOf,
  integer,
  keyFormOf,
  keyToWire,
  type LifeFlags,
  lifeToWire,
  nothingToTake,
  notThere,
  refused,
  valueToWire,
  type WaitFlags,
  waiting,
  withLife,
  withWait,
} from "./cache-collections.js";
import { type ItemOptions, nothing, withItemOptions } from "./cache-item-commands.js";
import { type CliContext, repeated, wholeNumber } from "./context.js";
import { usageFailure } from "./failure.js";
import { readInput } from "./input.js";
import type { Row } from "./output.js";

const load = () => import("@forebay/client/gen/forebay/cache/v1/list_service");
type InLists = Calling<Awaited<ReturnType<typeof load>>>;

export function addListCommands(cache: Command, context: CliContext): void {
  const list = cache
    .command("list")
    .description("lists: values in the order they were given, taken from both ends");
  const calling: InLists = callingOf(context, load);
  addPush(list, context, calling);
  addPop(list, context, calling);
  addReads(list, context, calling);
  addRemovals(list, context, calling);
  addSingle(list, context, calling);
  addMove(list, context, calling);
}

interface PushFlags extends ItemOptions, LifeFlags {
  readonly file?: readonly string[];
  readonly front: boolean;
  readonly keep?: number;
  readonly ifPresent: boolean;
}

function addPush(list: Command, context: CliContext, calling: InLists): void {
  const push = list
    .command("push <key> [value...]")
    .description("put values at the back, in this order")
    .option("--file <path>", "a value from a file, or from stdin as -; may be repeated", repeated)
    .option("--front", "at the front instead; they stand there in this order", false)
    .option("--keep <count>", "how many there are at most: the other end loses", wholeNumber(1))
    .option("--if-present", "only if there is a list; exit code 4 if not", false);
  withItemOptions(withLife(push)).action(async (key: string, texts: string[], flags: PushFlags) => {
    const files = (flags.file ?? []).map((path) => readInput(context, path));
    const values = [...texts, ...(await Promise.all(files))];
    if (values.length === 0) {
      throw usageFailure(
        "Give values, or --file.",
        "As in `forebay cache list push jobs one two`.",
      );
    }
    await calling(flags, async (call, { ListServiceDefinition: { methods } }) => {
      const { length, version } = await call(methods.listPush, {
        keyForm: keyFormOf(key),
        end: endOf(flags.front ? "front" : "back"),
        values: values.map(valueToWire),
        truncateTo: BigInt(flags.keep ?? 0),
        onlyIfExists: flags.ifPresent,
        ...lifeToWire(flags),
      });
      if (length === 0n) throw refused(`Nothing was written: ${key} has nothing.`);
      await context.output.one(flags.output, countsRow(key, { length }, version));
    });
  });
}

const endOf = (end: "front" | "back") =>
  end === "front" ? CollectionEnd.FRONT : CollectionEnd.BACK;

interface PopFlags extends ItemOptions, WaitFlags {
  readonly back: boolean;
  readonly count: number;
}

function addPop(list: Command, context: CliContext, calling: InLists): void {
  const pop = list
    .command("pop <key>")
    .description("take values from the front, and print them; exit code 3 if there is none")
    .option("--back", "from the back instead, the last one first", false)
    .option("--count <count>", "at most so many", wholeNumber(1), 1);
  withItemOptions(withWait(pop)).action(async (key: string, flags: PopFlags) => {
    await calling(flags, async (call, { ListServiceDefinition: { methods } }) => {
      const wait = waiting(context, flags);
      const fields = {
        keyForm: keyFormOf(key),
        end: endOf(flags.back ? "back" : "front"),
        count: flags.count,
        ...wait.fields,
      };
      const taken = await call(methods.listPop, fields, wait.options);
      if (taken.values.length === 0) throw nothingToTake(key, taken.timedOut);
      const rows = taken.values.map((value) => listRow(value));
      await context.output.many(flags.output, ["value"], rows);
    });
  });
}

/** Values an answer has at most: the contract's own limit. */
const pageMax = 10_000;

interface ReadFlags extends ItemOptions {
  readonly start?: bigint;
  readonly end?: bigint;
  readonly limit: number;
}

function addReads(list: Command, context: CliContext, calling: InLists): void {
  const read = list
    .command("ls <key>")
    .description("list values from the front")
    .option("--start <index>", "from this one on (default 0; -3: the last three)", integer)
    .option("--end <index>", "up to this one, which is not listed (default: to the end)", integer)
    .option("--limit <count>", "at most so many", wholeNumber(1), 100);
  withItemOptions(read).action(async (key: string, flags: ReadFlags) => {
    await calling(flags, async (call, { ListServiceDefinition: { methods } }) => {
      async function* rows(): AsyncGenerator<Row> {
        let left = flags.limit;
        let start = flags.start ?? 0n;
        for (;;) {
          const limit = Math.min(left, pageMax);
          const fields = { keyForm: keyFormOf(key), start, limit };
          const page = await call(methods.listFetch, {
            ...fields,
            ...(flags.end !== undefined && { end: flags.end }),
          });
          if (!page.found && left === flags.limit) throw nothing(key);
          const first = indexOf(start, page.length);
          yield* page.values.map((value, index) => listRow(value, first + BigInt(index)));
          left -= page.values.length;
          start = page.nextStart;
          if (start === 0n || left === 0) return;
        }
      }
      const count = await context.output.many(flags.output, listHeadings, rows());
      if (count === 0) context.output.note("The list has nothing there.");
    });
  });
  const length = list.command("len <key>").description("count values; 0 if the key has nothing");
  withItemOptions(length).action(async (key: string, options: ItemOptions) => {
    await calling(options, async (call, { ListServiceDefinition: { methods } }) => {
      const counted = await call(methods.listLength, { keyForm: keyFormOf(key) });
      await context.output.one(
        options.output,
        countsRow(key, { length: counted.length }, counted.version),
      );
    });
  });
}

/** Of an index that may count from the end, the one from the front; the first for what lies before it. */
function indexOf(index: bigint, length: bigint): bigint {
  const whole = index < 0n ? index + length : index;
  return whole < 0n ? 0n : whole;
}

function addRemovals(list: Command, context: CliContext, calling: InLists): void {
  const remove = list
    .command("rm <key> <value>")
    .description("remove every value that is this one")
    .option("--count <count>", "so many from the front; -1: one from the back", integer);
  withItemOptions(remove).action(
    async (key: string, value: string, flags: ItemOptions & { readonly count?: bigint }) => {
      // The contract has all of them under 0, which here would read as none.
      if (flags.count === 0n) throw usageFailure("--count is 1 or more, or below 0.");
      await calling(flags, async (call, { ListServiceDefinition: { methods } }) => {
        const { removed, length, version } = await call(methods.listRemove, {
          keyForm: keyFormOf(key),
          value: valueToWire(value),
          count: flags.count ?? 0n,
        });
        await context.output.one(flags.output, countsRow(key, { removed, length }, version));
      });
    },
  );
  const trim = list
    .command("trim <key>")
    .description("remove all values but a range")
    .option("--start <index>", "from this one on (default 0; -3: the last three)", integer)
    .option("--end <index>", "up to this one, which goes (default: to the end)", integer);
  withItemOptions(trim).action(async (key: string, flags: Omit<ReadFlags, "limit">) => {
    if (flags.start === undefined && flags.end === undefined) {
      throw usageFailure("Give --start, --end or both: what is to stay.");
    }
    await calling(flags, async (call, { ListServiceDefinition: { methods } }) => {
      const { removed, length, version } = await call(methods.listRetain, {
        keyForm: keyFormOf(key),
        start: flags.start ?? 0n,
        ...(flags.end !== undefined && { end: flags.end }),
      });
      await context.output.one(flags.output, countsRow(key, { removed, length }, version));
    });
  });
}

interface FindFlags extends ItemOptions {
  readonly reverse: boolean;
  readonly count: number;
}

function addSingle(list: Command, context: CliContext, calling: InLists): void {
  const set = list
    .command("set <key> <index> <value>")
    .description("put another value in the place of one (-- -1 for the last)");
  const replace = async (
    { key, index, value }: { readonly key: string; readonly index: string; readonly value: string },
    options: ItemOptions,
  ): Promise<void> => {
    const place = integer(index);
    await calling(options, async (call, { ListServiceDefinition: { methods } }) => {
      const { length, version } = await call(methods.listSet, {
        keyForm: keyFormOf(key),
        index: place,
        value: valueToWire(value),
      });
      await context.output.one(options.output, countsRow(key, { length }, version));
    });
  };
  withItemOptions(set).action((key: string, index: string, value: string, options: ItemOptions) =>
    replace({ key, index, value }, options),
  );
  const find = list
    .command("find <key> <value>")
    .description("print the places of a value; exit code 3 if the list does not have it")
    .option("--reverse", "from the back", false)
    .option("--count <count>", "at most so many", wholeNumber(1), 1);
  withItemOptions(find).action(async (key: string, value: string, flags: FindFlags) => {
    await calling(flags, async (call, { ListServiceDefinition: { methods } }) => {
      const { found, indexes } = await call(methods.listPosition, {
        keyForm: keyFormOf(key),
        value: valueToWire(value),
        reverse: flags.reverse,
        count: flags.count,
      });
      if (!found) throw nothing(key);
      if (indexes.length === 0) throw notThere(`${key} has no ${value}.`);
      const rows = indexes.map((index) => ({
        cells: { index: String(index) },
        json: Number(index),
        raw: String(index),
      }));
      await context.output.many(flags.output, ["index"], rows);
    });
  });
}

interface MoveFlags extends ItemOptions, LifeFlags, WaitFlags {
  readonly fromBack: boolean;
  readonly toFront: boolean;
}

function addMove(list: Command, context: CliContext, calling: InLists): void {
  const move = list
    .command("move <source> <destination>")
    .description(
      "take a value from the front of a list to the back of another, or of the same, in one, and print it; exit code 3 if there is none",
    )
    .option("--from-back", "from the back instead", false)
    .option("--to-front", "to the front instead", false);
  withItemOptions(withWait(withLife(move))).action(
    async (source: string, destination: string, flags: MoveFlags) => {
      await calling(flags, async (call, { ListServiceDefinition: { methods } }) => {
        const wait = waiting(context, flags);
        const fields = {
          source: keyToWire(source),
          from: endOf(flags.fromBack ? "back" : "front"),
          destination: keyToWire(destination),
          to: endOf(flags.toFront ? "front" : "back"),
          ...lifeToWire(flags),
          ...wait.fields,
        };
        const moved = await call(methods.listMove, fields, wait.options);
        if (!moved.moved) throw nothingToTake(source, moved.timedOut);
        await context.output.many(flags.output, ["value"], [listRow(moved.value ?? {})]);
      });
    },
  );
}
