// The same load on Redis through ioredis, with its automatic pipelining.

import { Redis } from "ioredis";
import type { CacheOrder } from "./cache.worker.js";
import { type LoadResult, runLoad } from "./load-run.js";
import { answerOrders } from "./orders.js";

const keyCount = 10_000;
const manyKeys = 100;
const value = "x".repeat(1_024);
const keyAt = (at: number): string => `key:${at % keyCount}`;

const memberAt = (at: number): string => `member:${String(at).padStart(7, "0")}`;
const memberStep = 7_919;
const fillPage = 10_000;

let redis: Redis | undefined;
let boardLength = 0;

function use({ operation, inFlight, until }: Omit<CacheOrder, "cache">): Promise<LoadResult> {
  const connected = redis;
  if (connected === undefined) throw new Error("connect first");
  let at = 0;
  const calls = {
    get: async () => {
      if ((await connected.get(keyAt(at++))) === null) throw new Error("a key was missed");
      return 1;
    },
    set: async () => {
      await connected.set(keyAt(at++), value);
      return 1;
    },
    get_many: async () => {
      const values = await connected.mget(Array.from({ length: manyKeys }, () => keyAt(at++)));
      if (values.includes(null)) throw new Error("a key was missed");
      return manyKeys;
    },
  };
  const rank = async () => {
    const members = Array.from({ length: manyKeys }, () =>
      memberAt((at++ * memberStep) % boardLength),
    );
    const ranks = await Promise.all(members.map((member) => connected.zrank("board", member)));
    if (ranks.includes(null)) throw new Error("a member was missed");
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
  connect: async ({ port }: { readonly port: number }): Promise<void> => {
    redis = new Redis({ host: "127.0.0.1", port, enableAutoPipelining: true });
    const connected = redis;
    await Promise.all(Array.from({ length: keyCount }, (_, at) => connected.set(keyAt(at), value)));
  },
  /** Members with rising scores in a sorted set. */
  fillBoard: async ({ length }: { readonly length: number }): Promise<void> => {
    const connected = redis;
    if (connected === undefined) throw new Error("connect first");
    for (let from = 0; from < length; from += fillPage) {
      const page = Array.from({ length: Math.min(fillPage, length - from) }, (_unused, at) => [
        from + at,
        memberAt(from + at),
      ]).flat();
      await connected.zadd("board", ...page);
    }
    boardLength = length;
  },
  use,
};

export type RedisHandlers = typeof handlers;

answerOrders(handlers);
