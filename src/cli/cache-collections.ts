// What the commands of collections share: the calls, which go by the contract's own methods, how their keys, values and lives are
// written there, and the options that say them.
//
// The generated stubs come with gRPC, which `forebay --help` must not wait for: each group of commands loads its own when one of
// them runs.

import type { CallOptions, Method } from "@forebay/client";
import { TtlPolicy } from "@forebay/client/gen/forebay/cache/v1/collection";
import type { Expiry, Key, Value } from "@forebay/client/gen/forebay/cache/v1/item";
import type { Duration } from "@forebay/client/gen/google/protobuf/duration";
import type { Timestamp } from "@forebay/client/gen/google/protobuf/timestamp";
import type { Command } from "commander";
import { dateAt } from "../base/dates.js";
import type { ItemOptions } from "./cache-item-commands.js";
import { type CliContext, duration, oneOf } from "./context.js";
import { exitCodes } from "./exit-codes.js";
import { CliFailure, usageFailure } from "./failure.js";

/** A method whose requests can be made of the fields that matter. */
interface Callable<Fields, Request, Response> extends Method<Request, Response> {
  readonly requestType: Method<Request, Response>["requestType"] & {
    create(fields?: Fields): Request;
  };
}

/** Calls a method on the cache that the options name. */
export type Call = <Fields extends object, Request extends object, Response>(
  method: Callable<Fields, Request, Response>,
  fields: NoInfer<Fields>,
  options?: CallOptions,
) => Promise<Response>;

/** Runs `use` with the calls and the stubs of one service. */
export type Calling<Service> = (
  options: ItemOptions,
  use: (call: Call, service: Service) => Promise<void>,
) => Promise<void>;

/** The calls of the commands of one service, whose stubs `load` brings. */
export const callingOf =
  <Service>(context: CliContext, load: () => Promise<Service>): Calling<Service> =>
  (options, use) =>
    context.withClient(options, async (client) => {
      const call: Call = (method, fields, callOptions) => {
        const request = method.requestType.create({ cache: options.cache, ...fields });
        return client.call(method, request, callOptions);
      };
      await use(call, await load());
    });

export const keyFormOf = (key: string) => ({ $case: "key", value: key }) as const;

export const keyToWire = (key: string): Key => ({ key: { $case: "text", value: key } });

export const valueToWire = (value: string | Uint8Array): Value => ({
  value: typeof value === "string" ? { $case: "text", value } : { $case: "data", value },
});

const durationToWire = (spanMs: number): Duration => {
  const seconds = Math.trunc(spanMs / 1_000);
  return { seconds: BigInt(seconds), nanos: (spanMs - seconds * 1_000) * 1_000_000 };
};

/** Of a span, or of `never`. Nothing of what is not given, so that the request leaves it out. */
export function expiryToWire(life: number | "never"): Expiry;
export function expiryToWire(life: number | "never" | undefined): Expiry | undefined;
export function expiryToWire(life: number | "never" | undefined): Expiry | undefined {
  if (life === undefined) return undefined;
  return life === "never"
    ? { expiry: { $case: "noExpiry", value: true } }
    : { expiry: { $case: "ttl", value: durationToWire(life) } };
}

/** Reads a life that may have no end. */
export const lifeOf = (text: string): number | "never" =>
  text === "never" ? text : duration(text);

/** As text; undefined: no end of its own. */
export const endOf = (timestamp: Timestamp | undefined): string | undefined =>
  timestamp &&
  dateAt(Number(timestamp.seconds) * 1_000 + timestamp.nanos / 1_000_000).toISOString();

const ttlPolicies = ["SET_ON_CREATE", "REFRESH", "KEEP_IF_LONGER"] as const;

export interface LifeFlags {
  readonly ttl?: number;
  readonly ttlPolicy?: (typeof ttlPolicies)[number];
}

/** Gives a command the options that say how long a collection lives. */
export const withLife = (command: Command): Command =>
  command
    .option(
      "--ttl <span>",
      "how long the collection lives if this makes it (default: as the cache says)",
      duration,
    )
    .option(
      "--ttl-policy <policy>",
      "what that does to one that is there: set-on-create (nothing, the default), refresh, keep-if-longer",
      oneOf(ttlPolicies),
    );

export const lifeToWire = ({ ttl, ttlPolicy }: LifeFlags) => ({
  ...(ttl !== undefined && { expiry: expiryToWire(ttl) }),
  ttlPolicy: ttlPolicy === undefined ? TtlPolicy.UNSPECIFIED : TtlPolicy[ttlPolicy],
});

export interface WaitFlags {
  readonly wait?: number;
}

/** Gives a command the option to wait for something to come. */
export const withWait = (command: Command): Command =>
  command.option("--wait <span>", "how long to wait for one to come (at most 60s)", duration);

/** What a call that waits has: a deadline that comes after the wait, and an end when the person at the terminal wants none. */
export function waiting(
  context: CliContext,
  { wait, timeout }: WaitFlags & ItemOptions,
): { readonly fields: { readonly wait?: Duration }; readonly options: CallOptions } {
  if (wait === undefined) return { fields: {}, options: {} };
  return {
    fields: { wait: durationToWire(wait) },
    options: { timeoutMs: timeout + wait, signal: context.interrupted },
  };
}

/** There was nothing to take; it was waited for, if `isLate`. */
export function nothingToTake(key: string, isLate: boolean): CliFailure {
  const text = isLate ? `Nothing came to ${key} in that time.` : `${key} has nothing.`;
  return new CliFailure(text, { exitCode: exitCodes.notFound.code });
}

/** An element is not there. */
export const notThere = (text: string): CliFailure =>
  new CliFailure(text, { exitCode: exitCodes.notFound.code });

/** What a command was asked to do is refused by what is there. */
export const refused = (text: string): CliFailure =>
  new CliFailure(text, { exitCode: exitCodes.conflict.code });

/** Reads a whole number, also a negative one. */
export function integer(text: string): bigint {
  if (/^-?\d+$/.test(text)) return BigInt(text);
  throw usageFailure(`"${text}" is no whole number.`);
}

/** Elements an answer lists at most: the contract's own limit. */
const pageMax = 10_000;

/** Items of one page after another until there is none, or as many as wanted. The first page says whether the key has anything. */
export async function* paged<Item>(
  limit: number,
  page: (
    cursor: string,
    size: number,
  ) => Promise<{ readonly items: readonly Item[]; readonly nextCursor: string }>,
): AsyncGenerator<Item> {
  let left = limit;
  let cursor = "";
  do {
    const { items, nextCursor } = await page(cursor, Math.min(left, pageMax));
    yield* items;
    left -= items.length;
    cursor = nextCursor;
  } while (cursor !== "" && left > 0);
}
