// The same load on Redis through ioredis, with its automatic pipelining.

import { Redis } from "ioredis";
import type { CacheOrder } from "./cache.worker.js";
import { type LoadResult, runLoad } from "./load-run.js";
import { answerOrders } from "./orders.js";

const keyCount = 10_000;
const manyKeys = 100;
const value = "x".repeat(1_024);
const keyAt = (at: number): string => `key:${at % keyCount}`;

let redis: Redis | undefined;

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
  const call = calls[operation];
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
  use,
};

export type RedisHandlers = typeof handlers;

answerOrders(handlers);
