// `forebay cache …`: caches, and what is in them.

import type { CacheConfig, CacheDurability, CacheEviction } from "@forebay/client";
import type { Command } from "commander";
import { addCacheChannelCommands } from "./cache-channel-commands.js";
import { addDictionaryCommands } from "./cache-dictionary-commands.js";
import { addCacheItemCommands } from "./cache-item-commands.js";
import { addListCommands } from "./cache-list-commands.js";
import { addLockCommands } from "./cache-lock-commands.js";
import { cacheHeadings, cacheInList, cacheRow, statsRow } from "./cache-rows.js";
import { addSetCommands } from "./cache-set-commands.js";
import { addSortedSetCommands } from "./cache-sorted-set-commands.js";
import { confirm } from "./confirm.js";
import {
  type CliContext,
  type CommonOptions,
  duration,
  oneOf,
  wholeNumber,
  withCommonOptions,
} from "./context.js";
import { usageFailure } from "./failure.js";

export function addCacheCommands(program: Command, context: CliContext): void {
  const cache = program
    .command("cache")
    .description("look after caches, and read and write what is in them");
  addCreate(cache, context);
  addUpdate(cache, context);
  addList(cache, context);
  addInfo(cache, context);
  addStats(cache, context);
  addRemovals(cache, context);
  addCacheItemCommands(cache, context);
  addDictionaryCommands(cache, context);
  addSetCommands(cache, context);
  addListCommands(cache, context);
  addSortedSetCommands(cache, context);
  addCacheChannelCommands(cache, context);
  addLockCommands(cache, context);
}

interface ConfigFlags {
  readonly ttl?: number;
  readonly maxTtl?: number;
  readonly jitter?: number;
  readonly maxBytes?: number;
  readonly maxItems?: number;
  readonly maxValueBytes?: number;
  readonly maxElementBytes?: number;
  readonly eviction?: CacheEviction;
  readonly durability?: CacheDurability;
  readonly zones?: number;
  readonly sliding?: number;
  readonly channelMessages?: number;
  readonly channelRetain?: number;
}

const evictions = [
  "w_tinylfu",
  "allkeys_lru",
  "allkeys_lfu",
  "allkeys_random",
  "volatile_lru",
  "volatile_lfu",
  "volatile_random",
  "volatile_ttl",
  "noeviction",
] as const satisfies readonly CacheEviction[];

const durabilities = [
  "none",
  "flushed",
  "replicated",
] as const satisfies readonly CacheDurability[];

const spelled = (words: readonly string[]): string =>
  words.map((word) => word.replaceAll("_", "-")).join(", ");

function withConfig(command: Command): Command {
  return command
    .option("--ttl <span>", "the life of what is written without one (0s: no end)", duration)
    .option("--max-ttl <span>", "the longest life; longer ones are cut (0s: none)", duration)
    .option(
      "--jitter <percent>",
      "by how much lives are shortened by chance (0 to 50)",
      wholeNumber(0),
    )
    .option(
      "--max-bytes <bytes>",
      "what items may count for (0: the server's share)",
      wholeNumber(0),
    )
    .option("--max-items <count>", "how many items there may be (0: any number)", wholeNumber(0))
    .option("--max-value-bytes <bytes>", "the longest value", wholeNumber(1))
    .option(
      "--max-element-bytes <bytes>",
      "the longest value in a dictionary or a list",
      wholeNumber(1),
    )
    .option(
      "--eviction <policy>",
      `what goes when it is full: ${spelled(evictions)}`,
      oneOf(evictions),
    )
    .option(
      "--durability <kind>",
      `what an answer to a write means: ${spelled(durabilities)}`,
      oneOf(durabilities),
    )
    .option("--zones <count>", "with --durability replicated (2 to 7)", wholeNumber(2))
    .option("--sliding <span>", "how long items live on after each read (0s: not)", duration)
    .option(
      "--channel-messages <count>",
      "how many messages each channel keeps for slow subscribers (1 to 100000)",
      wholeNumber(1),
    )
    .option("--channel-retain <span>", "and for how long (1s to 1h)", duration);
}

/** Those that are given. */
function configOf(flags: ConfigFlags): CacheConfig {
  const all: CacheConfig = {
    defaultTtlMs: flags.ttl,
    maxTtlMs: flags.maxTtl,
    ttlJitterPercent: flags.jitter,
    maxBytes: flags.maxBytes,
    maxItems: flags.maxItems,
    maxValueBytes: flags.maxValueBytes,
    maxElementBytes: flags.maxElementBytes,
    eviction: flags.eviction,
    durability: flags.durability,
    replicatedZones: flags.zones,
    slidingMs: flags.sliding,
    channelRetainMessages: flags.channelMessages,
    channelRetainMs: flags.channelRetain,
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

function addCreate(cache: Command, context: CliContext): void {
  const create = cache
    .command("create <cache>")
    .description("create a cache, usable at once; the cache `default` is always there");
  withCommonOptions(withConfig(create)).action(
    async (name: string, options: CommonOptions & ConfigFlags) => {
      await context.withClient(options, async (client) => {
        const made = await client.caches.create(name, configOf(options));
        if (!made.created) context.output.note(`${name} exists already.`);
        await context.output.one(options.output, cacheRow(made.cache));
      });
    },
  );
}

/** The settings by the names of their options. */
const settingByFlag: Readonly<Record<string, keyof CacheConfig>> = {
  ttl: "defaultTtlMs",
  "max-ttl": "maxTtlMs",
  jitter: "ttlJitterPercent",
  "max-bytes": "maxBytes",
  "max-items": "maxItems",
  "max-value-bytes": "maxValueBytes",
  "max-element-bytes": "maxElementBytes",
  eviction: "eviction",
  durability: "durability",
  zones: "replicatedZones",
  sliding: "slidingMs",
  "channel-messages": "channelRetainMessages",
  "channel-retain": "channelRetainMs",
};

function resetOf(flag: string, before: CacheConfig = {}): CacheConfig {
  const setting = settingByFlag[flag];
  if (setting !== undefined) return { ...before, [setting]: undefined };
  throw usageFailure(`"${flag}" is none of ${Object.keys(settingByFlag).join(", ")}.`);
}

interface UpdateOptions extends CommonOptions, ConfigFlags {
  readonly reset?: CacheConfig;
  readonly etag?: string;
}

function addUpdate(cache: Command, context: CliContext): void {
  const update = cache
    .command("update <cache>")
    .description("change settings of a cache, those that are given, for what is written next")
    .option(
      "--reset <setting>",
      `back to the default: ${Object.keys(settingByFlag).join(", ")}; may be repeated`,
      resetOf,
    )
    .option("--etag <etag>", "only if nobody changed it since: the etag that `cache info` shows");
  withCommonOptions(withConfig(update)).action(async (name: string, options: UpdateOptions) => {
    const config = { ...options.reset, ...configOf(options) };
    if (Object.keys(config).length === 0) {
      throw usageFailure(
        "Name a setting to change.",
        "As in `forebay cache update prices --max-items 10000`.",
      );
    }
    await context.withClient(options, async (client) => {
      const changed = await client.caches.update(name, config, { etag: options.etag });
      await context.output.one(options.output, cacheRow(changed));
    });
  });
}

function addList(cache: Command, context: CliContext): void {
  const list = cache
    .command("ls")
    .description("list caches by name")
    .option("--prefix <text>", "only those whose names begin with it", "");
  withCommonOptions(list).action(async (options: CommonOptions & { readonly prefix: string }) => {
    await context.withClient(options, async (client) => {
      const rows = (async function* () {
        for await (const each of client.caches.list(options.prefix)) yield cacheInList(each);
      })();
      const count = await context.output.many(options.output, cacheHeadings, rows);
      if (count === 0) context.output.note("No cache has such a name.");
    });
  });
}

function addInfo(cache: Command, context: CliContext): void {
  const info = cache.command("info <cache>").description("show every setting of a cache");
  withCommonOptions(info).action(async (name: string, options: CommonOptions) => {
    await context.withClient(options, async (client) => {
      await context.output.one(options.output, cacheRow(await client.caches.describe(name)));
    });
  });
}

function addStats(cache: Command, context: CliContext): void {
  const stats = cache
    .command("stats <cache>")
    .description("show how much is in a cache, and what was done to it")
    .option("--reset", "begin a new window after this", false);
  withCommonOptions(stats).action(
    async (name: string, options: CommonOptions & { readonly reset: boolean }) => {
      await context.withClient(options, async (client) => {
        const counted = await client.caches.stats(name, { reset: options.reset });
        await context.output.one(options.output, statsRow(name, counted));
      });
    },
  );
}

interface RemovalOptions extends CommonOptions {
  readonly yes: boolean;
}

function addRemovals(cache: Command, context: CliContext): void {
  const flush = cache
    .command("flush <cache>")
    .description("remove everything from a cache at once; its settings stay")
    .option("--yes", "without being asked", false);
  withCommonOptions(flush).action(async (name: string, options: RemovalOptions) => {
    await confirm(context, { isConfirmed: options.yes, deed: `removes everything from ${name}` });
    await context.withClient(options, async (client) => {
      const removed = await client.caches.flush(name);
      const cells = { cache: name, removed: String(removed) };
      await context.output.one(options.output, {
        cells,
        json: { cache: name, removed },
        raw: String(removed),
      });
    });
  });
  const remove = cache
    .command("rm <cache>")
    .description("delete a cache with everything in it")
    .option("--if-exists", "no failure if there is none", false)
    .option("--yes", "without being asked", false);
  withCommonOptions(remove).action(
    async (name: string, options: RemovalOptions & { readonly ifExists: boolean }) => {
      const deed = `deletes ${name} with everything in it`;
      await confirm(context, { isConfirmed: options.yes, deed });
      await context.withClient(options, async (client) => {
        const existed = await client.caches.remove(name, { ifExists: options.ifExists });
        context.output.note(existed ? `${name} is deleted.` : `There was no cache ${name}.`);
      });
    },
  );
}
