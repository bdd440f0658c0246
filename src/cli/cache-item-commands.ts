// `forebay cache get`, `set`, `del`, `incr`, `expire`, `scan`, `count`, `invalidate`: what is in a cache. Each is about the cache `default`
// unless --cache says otherwise.

import type { Cache, CacheCondition, CacheExpiry } from "@forebay/client";
import type { Command } from "commander";
import { itemHeadings, itemRow, valueRow } from "./cache-rows.js";
import { confirm } from "./confirm.js";
import {
  type CliContext,
  type CommonOptions,
  duration,
  repeated,
  wholeNumber,
  withCommonOptions,
} from "./context.js";
import { exitCodes } from "./exit-codes.js";
import { CliFailure, usageFailure } from "./failure.js";
import { readInput } from "./input.js";
import { firstRows } from "./output.js";

export interface ItemOptions extends CommonOptions {
  readonly cache: string;
}

/** Gives a command the options of those that are about what is in a cache. */
export function withItemOptions(command: Command): Command {
  return withCommonOptions(
    command.option("-c, --cache <cache>", "the name of the cache", "default"),
  );
}

export function addCacheItemCommands(cache: Command, context: CliContext): void {
  const inCache = (options: ItemOptions, use: (cache: Cache) => Promise<void>): Promise<void> =>
    context.withClient(options, (client) => use(client.cache(options.cache)));
  addReads(cache, context, inCache);
  addSet(cache, context, inCache);
  addChanges(cache, context, inCache);
  addKeyspace(cache, context, inCache);
}

type InCache = (options: ItemOptions, use: (cache: Cache) => Promise<void>) => Promise<void>;

export const nothing = (key: string): CliFailure =>
  new CliFailure(`${key} has nothing.`, { exitCode: exitCodes.notFound.code });

function addReads(cache: Command, context: CliContext, inCache: InCache): void {
  const get = cache
    .command("get <key>")
    .description("print what a key has; exit code 3 if it has nothing")
    .option("--stale", "also what has ended and may still be served", false)
    .option("--peek", "without counting as a read", false);
  withItemOptions(get).action(
    async (
      key: string,
      options: ItemOptions & { readonly stale: boolean; readonly peek: boolean },
    ) => {
      await inCache(options, async (found) => {
        const read = await found.get(key, { allowStale: options.stale, peek: options.peek });
        if (read.kind !== "hit" && read.kind !== "stale") throw nothing(key);
        await context.output.one(options.output, valueRow(key, read));
      });
    },
  );
  const meta = cache
    .command("meta <key...>")
    .description("show what is known of keys beside their values");
  withItemOptions(meta).action(async (keys: string[], options: ItemOptions) => {
    await inCache(options, async (found) => {
      const known = await found.meta(keys);
      const rows = keys.flatMap((key, index) => {
        const item = known[index];
        return item === undefined ? [] : [itemRow(key, undefined, item)];
      });
      const headings = itemHeadings.filter((heading) => heading !== "value");
      const count = await context.output.many(options.output, headings, rows);
      if (count < keys.length) context.output.note(`${keys.length - count} of them have nothing.`);
    });
  });
}

interface SetFlags extends ItemOptions {
  readonly ttl?: number;
  readonly keepTtl: boolean;
  readonly ifAbsent: boolean;
  readonly ifPresent: boolean;
  readonly ifVersion?: string;
  readonly tag?: readonly string[];
  readonly pin: boolean;
  readonly file?: string;
}

function addSet(cache: Command, context: CliContext, inCache: InCache): void {
  const set = cache
    .command("set <key> [value]")
    .description(
      "write a value, over whatever the key has; exit code 4 if the condition does not hold",
    )
    .option("--file <path>", "the value from a file, or from stdin as -")
    .option("--ttl <span>", "how long it lives (default: as the cache says)", duration)
    .option("--keep-ttl", "it ends as what it replaces", false)
    .option("--if-absent", "only if the key has nothing", false)
    .option("--if-present", "only if the key has something", false)
    .option("--if-version <version>", "only if the key has this version")
    .option("--tag <tag>", "what it can be invalidated by; may be repeated", repeated)
    .option("--pin", "never evict it", false);
  withItemOptions(set).action(async (key: string, text: string | undefined, flags: SetFlags) => {
    const value = await givenValue(context, text, flags);
    await inCache(flags, async (found) => {
      const result = await found.set(key, value, {
        expiry: expiryOf(flags),
        condition: conditionOf(flags),
        tags: flags.tag,
        pinned: flags.pin,
      });
      if (!result.stored) {
        const version = result.version === 0n ? "nothing" : `version ${result.version}`;
        const text = `Nothing was written: ${key} has ${version}.`;
        throw new CliFailure(text, { exitCode: exitCodes.conflict.code });
      }
      const ends = result.expiresAt?.toISOString();
      await context.output.one(flags.output, {
        cells: { key, version: String(result.version), ends: ends ?? "never" },
        json: { key, version: String(result.version), expireTime: ends ?? null },
        raw: String(result.version),
      });
    });
  });
}

async function givenValue(
  context: CliContext,
  text: string | undefined,
  { file }: SetFlags,
): Promise<string | Buffer> {
  if ((text === undefined) === (file === undefined)) {
    throw usageFailure(
      "Give a value, or --file with where it is.",
      "As in `forebay cache set a 1`.",
    );
  }
  return file === undefined ? (text ?? "") : await readInput(context, file);
}

function expiryOf({ ttl, keepTtl }: SetFlags): CacheExpiry | undefined {
  if (ttl !== undefined && keepTtl) throw usageFailure("Give --ttl or --keep-ttl, and not both.");
  if (keepTtl) return "keep";
  return ttl === undefined ? undefined : { ttlMs: ttl };
}

function conditionOf({ ifAbsent, ifPresent, ifVersion }: SetFlags): CacheCondition | undefined {
  const given = [ifAbsent, ifPresent, ifVersion !== undefined].filter(Boolean).length;
  if (given > 1) throw usageFailure("Give one of --if-absent, --if-present and --if-version.");
  if (ifAbsent) return "absent";
  if (ifPresent) return "present";
  if (ifVersion === undefined) return undefined;
  if (!/^\d+$/.test(ifVersion)) throw usageFailure(`"${ifVersion}" is no version.`);
  return { version: BigInt(ifVersion) };
}

function addChanges(cache: Command, context: CliContext, inCache: InCache): void {
  const del = cache.command("del <key...>").description("delete keys with what they have");
  withItemOptions(del).action(async (keys: string[], options: ItemOptions) => {
    await inCache(options, async (found) => {
      const deleted = (await found.deleteMany(keys)).filter(Boolean).length;
      await context.output.one(options.output, {
        cells: { deleted: String(deleted) },
        json: { deleted },
        raw: String(deleted),
      });
    });
  });
  const incr = cache
    .command("incr <key> [by]")
    .description("add to a counter (default 1; -- -1 to take away) and print it")
    .option("--ttl <span>", "how long one that was not there lives", duration);
  withItemOptions(incr).action(
    async (key: string, by = "1", options: ItemOptions & { readonly ttl?: number }) => {
      if (!/^-?\d+$/.test(by)) throw usageFailure(`"${by}" is no whole number.`);
      const expiry = options.ttl === undefined ? undefined : { ttlMs: options.ttl };
      await inCache(options, async (found) => {
        const value = String((await found.increment(key, BigInt(by), { expiry })) ?? "");
        await context.output.one(options.output, {
          cells: { key, value },
          json: { key, value },
          raw: value,
        });
      });
    },
  );
  const expire = cache
    .command("expire <key> <span>")
    .description("let what a key has live so long from now on, or for ever as `never`");
  withItemOptions(expire).action(async (key: string, span: string, options: ItemOptions) => {
    const expiry = span === "never" ? span : { ttlMs: duration(span) };
    await inCache(options, async (found) => {
      if ((await found.expire(key, expiry)) === "missing") throw nothing(key);
      const [meta] = await found.meta([key]);
      await context.output.one(options.output, itemRow(key, undefined, meta));
    });
  });
}

interface ScanFlags extends ItemOptions {
  readonly prefix?: string;
  readonly tag?: string;
  readonly values: boolean;
  readonly reverse: boolean;
  readonly limit: number;
}

function addKeyspace(cache: Command, context: CliContext, inCache: InCache): void {
  const scan = cache
    .command("scan")
    .description("list keys in byte order")
    .option("--prefix <text>", "only those that begin with it")
    .option("--tag <tag>", "only what has this tag")
    .option("--values", "with their values", false)
    .option("--reverse", "from the last to the first", false)
    .option("--limit <count>", "at most so many", wholeNumber(1), 100);
  withItemOptions(scan).action(async (options: ScanFlags) => {
    await inCache(options, async (found) => {
      const items = found.scan({
        prefix: options.prefix,
        tag: options.tag,
        withValues: options.values,
        withMeta: true,
        reverse: options.reverse,
        pageSize: Math.min(options.limit, 1_000),
      });
      const rows = firstRows(items, options.limit, ({ key, value, meta }) =>
        itemRow(key, value, meta),
      );
      const headings = itemHeadings.filter((heading) => options.values || heading !== "value");
      const count = await context.output.many(options.output, headings, rows);
      if (count === 0) context.output.note("No key is like that.");
    });
  });
  const count = cache
    .command("count")
    .description("count keys one by one")
    .option("--prefix <text>", "only those that begin with it");
  withItemOptions(count).action(async (options: ItemOptions & { readonly prefix?: string }) => {
    await inCache(options, async (found) => {
      const keys = await found.count({ prefix: options.prefix, exact: true });
      const cells = { cache: options.cache, keys: String(keys) };
      await context.output.one(options.output, {
        cells,
        json: { cache: options.cache, keys },
        raw: String(keys),
      });
    });
  });
  addInvalidate(cache, context, inCache);
}

interface InvalidateFlags extends ItemOptions {
  readonly prefix?: string;
  readonly tag?: readonly string[];
  readonly stale: boolean;
  readonly yes: boolean;
}

function addInvalidate(cache: Command, context: CliContext, inCache: InCache): void {
  const invalidate = cache
    .command("invalidate")
    .description("delete all keys that begin with a prefix, or that have one of some tags, at once")
    .option("--prefix <text>", "what they begin with")
    .option("--tag <tag>", "a tag; may be repeated", repeated)
    .option("--stale", "with --tag: they stay for who takes stale values", false)
    .option("--yes", "without being asked", false);
  withItemOptions(invalidate).action(async (options: InvalidateFlags) => {
    const { prefix, tag = [] } = options;
    if ((prefix === undefined) === (tag.length === 0)) {
      throw usageFailure("Give --prefix, or one or more --tag.");
    }
    if (options.stale && tag.length === 0) throw usageFailure("--stale goes with --tag.");
    const what = prefix === undefined ? `has ${tag.join(" or ")}` : `begins with ${prefix}`;
    const deed = `invalidates everything in ${options.cache} that ${what}`;
    await confirm(context, { isConfirmed: options.yes, deed });
    await inCache(options, async (found) => {
      if (prefix === undefined) await found.invalidateTags(tag, { stale: options.stale });
      else await found.deleteByPrefix(prefix);
      context.output.note("Done.");
    });
  });
}
