// `forebay cache members …`: sets, members that are there or not, and what several sets have together. `cache set` writes a value,
// hence the other name.

import type { Key } from "@forebay/client/gen/forebay/cache/v1/item";
import type { Command } from "commander";
import {
  countsRow,
  livesOf,
  memberHeadings,
  memberRow,
  presenceHeadings,
  presenceRow,
} from "./cache-collection-rows.js";
import {
  type Calling,
  callingOf,
  expiryToWire,
  keyFormOf,
  keyToWire,
  type LifeFlags,
  lifeOf,
  lifeToWire,
  notThere,
  paged,
  withLife,
} from "./cache-collections.js";
import { type ItemOptions, nothing, withItemOptions } from "./cache-item-commands.js";
import { type CliContext, duration, wholeNumber } from "./context.js";
import { usageFailure } from "./failure.js";

const load = () => import("@forebay/client/gen/forebay/cache/v1/set_service");
type InSets = Calling<Awaited<ReturnType<typeof load>>>;

export function addSetCommands(cache: Command, context: CliContext): void {
  const members = cache.command("members").description("sets: members that are there or not");
  const calling: InSets = callingOf(context, load);
  addChanges(members, context, calling);
  addReads(members, context, calling);
  addDraws(members, context, calling);
  addMove(members, context, calling);
  addCombinations(members, context, calling);
}

interface AddFlags extends ItemOptions, LifeFlags {
  readonly memberTtl?: number;
}

function addChanges(members: Command, context: CliContext, calling: InSets): void {
  const add = members
    .command("add <key> <member...>")
    .description("add members")
    .option("--member-ttl <span>", "how long these members live (default: as the key)", duration);
  withItemOptions(withLife(add)).action(async (key: string, given: string[], flags: AddFlags) => {
    await calling(flags, async (call, { SetServiceDefinition: { methods } }) => {
      const { added, length, version } = await call(methods.setAdd, {
        keyForm: keyFormOf(key),
        members: given.map(keyToWire),
        ...(flags.memberTtl !== undefined && { memberExpiry: expiryToWire(flags.memberTtl) }),
        ...lifeToWire(flags),
      });
      await context.output.one(flags.output, countsRow(key, { added, length }, version));
    });
  });
  const remove = members
    .command("rm <key> <member...>")
    .description("remove members; with the last one the key has nothing");
  withItemOptions(remove).action(async (key: string, given: string[], options: ItemOptions) => {
    await calling(options, async (call, { SetServiceDefinition: { methods } }) => {
      const { removed, length, version } = await call(methods.setRemove, {
        keyForm: keyFormOf(key),
        members: given.map(keyToWire),
      });
      await context.output.one(options.output, countsRow(key, { removed, length }, version));
    });
  });
  const expire = members
    .command("expire <key> <span> <member...>")
    .description(
      "let members live so long from now on, or as long as the set as `never`; exit code 3 if none is there",
    );
  withItemOptions(expire).action(
    async (key: string, span: string, given: string[], options: ItemOptions) => {
      const memberExpiry = expiryToWire(lifeOf(span));
      await calling(options, async (call, { SetServiceDefinition: { methods } }) => {
        const changed = await call(methods.setExpire, {
          keyForm: keyFormOf(key),
          members: given.map(keyToWire),
          memberExpiry,
        });
        const rows = await livesOf({ element: "member", names: given, lives: changed.members });
        if (rows.length === 0) throw notThere(`${key} has no ${given.join(", no ")}.`);
        await context.output.many(options.output, ["member", "ends"], rows);
      });
    },
  );
}

interface ListFlags extends ItemOptions {
  readonly prefix?: string;
  readonly reverse: boolean;
  readonly limit: number;
}

function addReads(members: Command, context: CliContext, calling: InSets): void {
  const has = members
    .command("has <key> <member...>")
    .description("say which of some members a set has; exit code 3 unless it has all of them");
  withItemOptions(has).action(async (key: string, given: string[], options: ItemOptions) => {
    await calling(options, async (call, { SetServiceDefinition: { methods } }) => {
      const answer = await call(methods.setContains, {
        keyForm: keyFormOf(key),
        members: given.map(keyToWire),
      });
      const rows = given.map((member, index) => presenceRow(member, answer.members[index]));
      await context.output.many(options.output, presenceHeadings, rows);
      const missing = given.filter((_, index) => answer.members[index]?.found !== true);
      if (missing.length > 0) throw notThere(`${key} has no ${missing.join(", no ")}.`);
    });
  });
  const list = members
    .command("ls <key>")
    .description("list members in byte order")
    .option("--prefix <text>", "only those that begin with it")
    .option("--reverse", "from the last to the first", false)
    .option("--limit <count>", "at most so many", wholeNumber(1), 100);
  withItemOptions(list).action(async (key: string, options: ListFlags) => {
    await calling(options, async (call, { SetServiceDefinition: { methods } }) => {
      const found = paged<Key>(options.limit, async (cursor, limit) => {
        const page = await call(methods.setScan, {
          keyForm: keyFormOf(key),
          ...(options.prefix !== undefined && { prefix: keyToWire(options.prefix) }),
          cursor,
          limit,
          reverse: options.reverse,
        });
        if (!page.found && cursor === "") throw nothing(key);
        return { items: page.members, nextCursor: page.nextCursor };
      });
      const rows = (async function* () {
        for await (const member of found) yield memberRow(member);
      })();
      const count = await context.output.many(options.output, memberHeadings, rows);
      if (count === 0) context.output.note("No member is like that.");
    });
  });
  const length = members
    .command("len <key>")
    .description("count members; 0 if the key has nothing");
  withItemOptions(length).action(async (key: string, options: ItemOptions) => {
    await calling(options, async (call, { SetServiceDefinition: { methods } }) => {
      const counted = await call(methods.setLength, { keyForm: keyFormOf(key) });
      await context.output.one(
        options.output,
        countsRow(key, { length: counted.length }, counted.version),
      );
    });
  });
}

interface DrawFlags extends ItemOptions {
  readonly count: number;
}

function addDraws(members: Command, context: CliContext, calling: InSets): void {
  const pop = members
    .command("pop <key>")
    .description("take members that chance chooses, and print them; exit code 3 if there is none")
    .option("--count <count>", "at most so many", wholeNumber(1), 1);
  withItemOptions(pop).action(async (key: string, { count, ...options }: DrawFlags) => {
    await calling(options, async (call, { SetServiceDefinition: { methods } }) => {
      const taken = await call(methods.setPop, { keyForm: keyFormOf(key), count });
      if (!taken.found) throw nothing(key);
      await context.output.many(options.output, memberHeadings, taken.members.map(memberRow));
    });
  });
  const sample = members
    .command("sample <key>")
    .description("print members that chance chooses, and leave them; exit code 3 if there is none")
    .option("--count <count>", "at most so many", wholeNumber(1), 1);
  withItemOptions(sample).action(async (key: string, { count, ...options }: DrawFlags) => {
    await calling(options, async (call, { SetServiceDefinition: { methods } }) => {
      const drawn = await call(methods.setSample, { keyForm: keyFormOf(key), count });
      if (!drawn.found) throw nothing(key);
      await context.output.many(options.output, memberHeadings, drawn.members.map(memberRow));
    });
  });
}

interface MoveNames {
  readonly source: string;
  readonly destination: string;
  readonly member: string;
}

function addMove(members: Command, context: CliContext, calling: InSets): void {
  const move = members
    .command("move <source> <destination> <member>")
    .description(
      "take a member from one set to another, in one; exit code 3 if the source does not have it",
    );
  const run = async (names: MoveNames, flags: ItemOptions & LifeFlags): Promise<void> => {
    const { source, destination, member } = names;
    await calling(flags, async (call, { SetServiceDefinition: { methods } }) => {
      const { moved, version } = await call(methods.setMove, {
        source: keyToWire(source),
        destination: keyToWire(destination),
        member: keyToWire(member),
        ...lifeToWire(flags),
      });
      if (!moved) throw notThere(`${source} has no ${member}.`);
      await context.output.one(flags.output, {
        cells: { key: destination, member },
        json: { key: destination, member, version: String(version) },
        raw: member,
      });
    });
  };
  withItemOptions(withLife(move)).action(
    (source: string, destination: string, member: string, flags: ItemOptions & LifeFlags) =>
      run({ source, destination, member }, flags),
  );
}

const combinations = [
  { name: "union", operation: "UNION", description: "print what any of some sets has" },
  { name: "intersect", operation: "INTERSECT", description: "print what all of some sets have" },
  {
    name: "diff",
    operation: "DIFFERENCE",
    description: "print what the first set has and none of the others",
  },
] as const;

/** Members an answer lists at most: the contract's own limit. */
const combinedMax = 10_000;

interface CombineFlags extends ItemOptions {
  readonly store?: string;
  readonly count: boolean;
  readonly ttl?: number;
}

function addCombinations(members: Command, context: CliContext, calling: InSets): void {
  for (const { name, operation, description } of combinations) {
    const combine = members
      .command(`${name} <key...>`)
      .description(description)
      .option("--count", "only how many there are", false)
      .option("--store <key>", "put it there, in the place of whatever is there")
      .option("--ttl <span>", "with --store: how long that lives", duration);
    withItemOptions(combine).action(async (keys: string[], flags: CombineFlags) => {
      const { store, count, ttl } = flags;
      if (store !== undefined && count) throw usageFailure("Give --store or --count, not both.");
      if (store === undefined && ttl !== undefined) throw usageFailure("--ttl goes with --store.");
      await calling(flags, async (call, { SetServiceDefinition: { methods }, SetOperation }) => {
        const fields = { keys: keys.map(keyToWire), operation: SetOperation[operation] };
        if (store !== undefined) {
          const { length, version } = await call(methods.setStore, {
            ...fields,
            destination: keyToWire(store),
            ...(ttl !== undefined && { expiry: expiryToWire(ttl) }),
          });
          await context.output.one(flags.output, countsRow(store, { length }, version));
          return;
        }
        const limit = combinedMax;
        const combined = await call(methods.setCombine, { ...fields, limit, countOnly: count });
        if (count) await context.output.one(flags.output, countOf(combined.count));
        else {
          const rows = combined.members.map(memberRow);
          const printed = await context.output.many(flags.output, memberHeadings, rows);
          if (printed === 0) context.output.note("They have nothing of that.");
        }
        if (combined.count === BigInt(combinedMax)) {
          context.output.note("There may be more: --store finds and keeps all of them.");
        }
      });
    });
  }
}

const countOf = (count: bigint) => ({
  cells: { members: String(count) },
  json: { members: Number(count) },
  raw: String(count),
});
