// Load on a cache through @forebay/client, as an application makes it.

import { type Cache, ForebayClient } from "@forebay/client";
import { type LoadResult, runLoad, type Until } from "./load-run.js";
import { answerOrders } from "./orders.js";

export interface CacheOrder {
  readonly cache: string;
  readonly operation: "get" | "set" | "get_many" | "rank";
  readonly inFlight: number;
  readonly until: Until;
}

/** Keys that are written before and used in turn. */
export const keyCount = 10_000;
export const valueBytes = 1_024;
/** Keys of one call with many. */
export const manyKeys = 100;
/** The members of the board, of which each has another score. */
export const memberAt = (at: number): string => `member:${String(at).padStart(7, "0")}`;
/** Over all of them in turn, far apart. */
export const memberStep = 7_919;
const fillPage = 10_000;
export const keyAt = (at: number): string => `key:${at % keyCount}`;

let client: ForebayClient | undefined;
let boardLength = 0;

function cacheOf(name: string): Cache {
  if (client === undefined) throw new Error("connect first");
  return client.cache(name);
}

const value = "x".repeat(valueBytes);

function use({ cache: name, operation, inFlight, until }: CacheOrder): Promise<LoadResult> {
  const cache = cacheOf(name);
  let at = 0;
  const calls = {
    get: async () => {
      const read = await cache.get(keyAt(at++));
      if (read.kind !== "hit") throw new Error(`a key was a ${read.kind}`);
      return 1;
    },
    set: async () => {
      await cache.set(keyAt(at++), value);
      return 1;
    },
    get_many: async () => {
      const keys = Array.from({ length: manyKeys }, () => keyAt(at++));
      const reads = await cache.getMany(keys);
      if (reads.some(({ kind }) => kind !== "hit")) throw new Error("a key was missed");
      return manyKeys;
    },
  };
  const board = cache.sortedSet("board");
  const rank = async () => {
    const members = Array.from({ length: manyKeys }, () =>
      memberAt((at++ * memberStep) % boardLength),
    );
    const ranks = await board.ranks(members);
    if (ranks.includes(undefined)) throw new Error("a member was missed");
    return manyKeys;
  };
  const call = operation === "rank" ? rank : calls[operation];
  return runLoad(
    (settle) => {
      call().then(settle, (error: unknown) =>
        settle(error instanceof Error ? error : new Error(String(error))),
      );
    },
    inFlight,
    until,
  );
}

const handlers = {
  connect: async ({ address }: { readonly address: string }): Promise<void> => {
    client = new ForebayClient({ endpoint: address });
    await client.caches.create("flushed");
    await client.caches.create("fast", { durability: "none" });
    for (const name of ["flushed", "fast"]) {
      const cache = cacheOf(name);
      await Promise.all(Array.from({ length: keyCount }, (_, at) => cache.set(keyAt(at), value)));
    }
  },
  /** Members with rising scores in a sorted set. */
  fillBoard: async ({ length }: { readonly length: number }): Promise<void> => {
    const board = cacheOf("flushed").sortedSet("board");
    for (let from = 0; from < length; from += fillPage) {
      const page = Array.from({ length: Math.min(fillPage, length - from) }, (_unused, at) => {
        const number = from + at;
        return [memberAt(number), number] as const;
      });
      await board.put(page, { timeoutMs: 60_000 });
    }
    boardLength = length;
  },
  use,
};

export type CacheHandlers = typeof handlers;

answerOrders(handlers);
