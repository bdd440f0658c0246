// `forebay cache dict …`: dictionaries, fields with values under one key.

import type { DictionaryField } from "@forebay/client/gen/forebay/cache/v1/dictionary_service";
import type { Command } from "commander";
import { countsRow, fieldHeadings, fieldRow, livesOf } from "./cache-collection-rows.js";
import {
  type Calling,
  callingOf,
  expiryToWire,
  integer,
  keyFormOf,
  keyToWire,
  type LifeFlags,
  lifeOf,
  lifeToWire,
  notThere,
  paged,
  refused,
  valueToWire,
  withLife,
} from "./cache-collections.js";
import { type ItemOptions, nothing, withItemOptions } from "./cache-item-commands.js";
import { type CliContext, duration, pair, wholeNumber } from "./context.js";
import { usageFailure } from "./failure.js";
import { readInput } from "./input.js";

const load = () => import("@forebay/client/gen/forebay/cache/v1/dictionary_service");
type InDictionaries = Calling<Awaited<ReturnType<typeof load>>>;

export function addDictionaryCommands(cache: Command, context: CliContext): void {
  const dict = cache.command("dict").description("dictionaries: fields with values under one key");
  const calling: InDictionaries = callingOf(context, load);
  addSet(dict, context, calling);
  addGet(dict, context, calling);
  addList(dict, context, calling);
  addIncrement(dict, context, calling);
  addRemovals(dict, context, calling);
}

interface SetFlags extends ItemOptions, LifeFlags {
  readonly file?: Readonly<Record<string, string>>;
  readonly fieldTtl?: number;
  readonly keepFieldTtl: boolean;
  readonly ifAbsent: boolean;
  readonly ifPresent: boolean;
}

function addSet(dict: Command, context: CliContext, calling: InDictionaries): void {
  const set = dict
    .command("set <key> [field=value...]")
    .description("write fields; exit code 4 if a condition keeps all of them from being written")
    .option("--file <field=path>", "a field's value from a file, or from stdin as -", pair)
    .option("--field-ttl <span>", "how long these fields live (default: as the key)", duration)
    .option("--keep-field-ttl", "those that are there end as before", false)
    .option("--if-absent", "only those that are not there", false)
    .option("--if-present", "only those that are there", false);
  withItemOptions(withLife(set)).action(async (key: string, given: string[], flags: SetFlags) => {
    if (flags.ifAbsent && flags.ifPresent) {
      throw usageFailure("Give --if-absent or --if-present, and not both.");
    }
    if (flags.fieldTtl !== undefined && flags.keepFieldTtl) {
      throw usageFailure("Give --field-ttl or --keep-field-ttl, and not both.");
    }
    const items = await givenItems(context, given, flags);
    await calling(flags, async (call, { DictionaryServiceDefinition, FieldCondition }) => {
      const written = await call(DictionaryServiceDefinition.methods.dictionarySet, {
        keyForm: keyFormOf(key),
        items,
        condition: conditionOf(flags, FieldCondition),
        ...(flags.fieldTtl !== undefined && { fieldExpiry: expiryToWire(flags.fieldTtl) }),
        ...(flags.keepFieldTtl && { fieldExpiry: { expiry: { $case: "keepTtl", value: true } } }),
        ...lifeToWire(flags),
      });
      const { created, updated, length, version } = written;
      if (created + updated === 0n) {
        throw refused(`Nothing was written: ${flags.ifAbsent ? "all" : "none"} of them are there.`);
      }
      await context.output.one(flags.output, countsRow(key, { created, updated, length }, version));
    });
  });
}

const conditionOf = <Condition>(
  { ifAbsent, ifPresent }: SetFlags,
  conditions: { readonly ANY: Condition; readonly ABSENT: Condition; readonly PRESENT: Condition },
): Condition => {
  if (ifAbsent) return conditions.ABSENT;
  return ifPresent ? conditions.PRESENT : conditions.ANY;
};

async function givenItems(context: CliContext, given: readonly string[], { file = {} }: SetFlags) {
  const texts = given.flatMap((text) => Object.entries(pair(text)));
  const files = Object.entries(file).map(
    async ([field, path]) => [field, await readInput(context, path)] as const,
  );
  const items = [...texts, ...(await Promise.all(files))];
  if (items.length === 0) {
    throw usageFailure(
      "Give fields with their values, or --file.",
      "As in `forebay cache dict set user:7 name=Ada city=London`.",
    );
  }
  return items.map(([field, value]) => ({ field: keyToWire(field), value: valueToWire(value) }));
}

function addGet(dict: Command, context: CliContext, calling: InDictionaries): void {
  const get = dict
    .command("get <key> <field...>")
    .description("print what fields have; exit code 3 if none of them is there");
  withItemOptions(get).action(async (key: string, fields: string[], options: ItemOptions) => {
    await calling(options, async (call, { DictionaryServiceDefinition: { methods } }) => {
      const read = await call(methods.dictionaryGet, {
        keyForm: keyFormOf(key),
        fields: fields.map(keyToWire),
      });
      if (!read.found) throw nothing(key);
      const there = read.fields.filter(({ found }) => found);
      if (there.length === 0) throw notThere(`${key} has no ${fields.join(", no ")}.`);
      const rows = there.map((field) => fieldRow(field, "value"));
      await context.output.many(options.output, fieldHeadings, rows);
      const missing = fields.length - there.length;
      if (missing > 0) context.output.note(`${missing} of them are not there.`);
    });
  });
}

interface ListFlags extends ItemOptions {
  readonly prefix?: string;
  readonly values: boolean;
  readonly reverse: boolean;
  readonly limit: number;
}

function addList(dict: Command, context: CliContext, calling: InDictionaries): void {
  const list = dict
    .command("ls <key>")
    .description("list fields with their values, in byte order")
    .option("--prefix <text>", "only those that begin with it")
    .option("--no-values", "the fields alone")
    .option("--reverse", "from the last to the first", false)
    .option("--limit <count>", "at most so many", wholeNumber(1), 100);
  withItemOptions(list).action(async (key: string, options: ListFlags) => {
    await calling(options, async (call, { DictionaryServiceDefinition: { methods } }) => {
      const fields = paged<DictionaryField>(options.limit, async (cursor, limit) => {
        const page = await call(methods.dictionaryScan, {
          keyForm: keyFormOf(key),
          ...(options.prefix !== undefined && { prefix: keyToWire(options.prefix) }),
          cursor,
          limit,
          reverse: options.reverse,
          withoutValues: !options.values,
        });
        if (!page.found && cursor === "") throw nothing(key);
        return { items: page.fields, nextCursor: page.nextCursor };
      });
      const rows = (async function* () {
        for await (const field of fields) yield fieldRow(field, "field");
      })();
      const headings = fieldHeadings.filter((heading) => options.values || heading !== "value");
      const count = await context.output.many(options.output, headings, rows);
      if (count === 0) context.output.note("No field is like that.");
    });
  });
  const length = dict.command("len <key>").description("count fields; 0 if the key has nothing");
  withItemOptions(length).action(async (key: string, options: ItemOptions) => {
    await calling(options, async (call, { DictionaryServiceDefinition: { methods } }) => {
      const counted = await call(methods.dictionaryLength, { keyForm: keyFormOf(key) });
      await context.output.one(
        options.output,
        countsRow(key, { length: counted.length }, counted.version),
      );
    });
  });
}

function addIncrement(dict: Command, context: CliContext, calling: InDictionaries): void {
  const incr = dict
    .command("incr <key> <field> [by]")
    .description(
      "add to the number of a field (default 1; -- -1 to take away; 0.5 counts in floating point) and print it",
    );
  withItemOptions(withLife(incr)).action(
    async (key: string, field: string, by = "1", flags: ItemOptions & LifeFlags) => {
      const isFloat = /^-?\d+\.\d+$/.test(by);
      const delta = isFloat ? Number(by) : integer(by);
      await calling(flags, async (call, { DictionaryServiceDefinition: { methods } }) => {
        const fields = {
          keyForm: keyFormOf(key),
          field: keyToWire(field),
          ...lifeToWire(flags),
        };
        const { value } =
          typeof delta === "number"
            ? await call(methods.dictionaryIncrementFloat, { ...fields, delta })
            : await call(methods.dictionaryIncrement, { ...fields, delta });
        const text = String(value);
        await context.output.one(flags.output, {
          cells: { key, field, value: text },
          json: { key, field, value: text },
          raw: text,
        });
      });
    },
  );
}

function addRemovals(dict: Command, context: CliContext, calling: InDictionaries): void {
  const del = dict
    .command("del <key> <field...>")
    .description("delete fields; with the last one the key has nothing");
  withItemOptions(del).action(async (key: string, fields: string[], options: ItemOptions) => {
    await calling(options, async (call, { DictionaryServiceDefinition: { methods } }) => {
      const { removed, length, version } = await call(methods.dictionaryDelete, {
        keyForm: keyFormOf(key),
        fields: fields.map(keyToWire),
      });
      await context.output.one(options.output, countsRow(key, { removed, length }, version));
    });
  });
  const expire = dict
    .command("expire <key> <span> <field...>")
    .description(
      "let fields live so long from now on, or as long as the dictionary as `never`; exit code 3 if none is there",
    );
  withItemOptions(expire).action(
    async (key: string, span: string, fields: string[], options: ItemOptions) => {
      const fieldExpiry = expiryToWire(lifeOf(span));
      await calling(options, async (call, { DictionaryServiceDefinition: { methods } }) => {
        const changed = await call(methods.dictionaryExpire, {
          keyForm: keyFormOf(key),
          fields: fields.map(keyToWire),
          fieldExpiry,
        });
        const rows = await livesOf({ element: "field", names: fields, lives: changed.fields });
        if (rows.length === 0) throw notThere(`${key} has no ${fields.join(", no ")}.`);
        await context.output.many(options.output, ["field", "ends"], rows);
      });
    },
  );
}
