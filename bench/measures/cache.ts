// Values of a kibibyte through the client, beside ioredis and Redis in the same run: 256 calls at once, which both clients send
// together. Redis keeps nothing on disk; a cache of ours does, unless it is told not to.

import type { CacheHandlers, CacheOrder } from "../load/cache.worker.js";
import { startLoad } from "../load/orders.js";
import type { RedisHandlers } from "../load/redis.worker.js";
import { freshDirectory, type Measurement, planOf, sideOf, startServer } from "../measurement.js";
import { findRedis, startRedis } from "../processes/redis.js";
import { type Measured, rateRow } from "../report.js";
import { compare, inTurns, type Side } from "../rounds.js";

const concurrent = 256;
const goal = 0.7;

export const measureCache: Measurement = async (context): Promise<Measured> => {
  await using server = await startServer(context);
  await using load = startLoad<CacheHandlers>("cache");
  await load.order("connect", { address: server.address });
  const { roundCount, until } = planOf(context);
  const ours = (cache: string, operation: CacheOrder["operation"]): Side => {
    const inFlight = operation === "get_many" ? 8 : concurrent;
    return sideOf(server, () => load.order("use", { cache, operation, inFlight, until }));
  };
  const sides = {
    get: ours("flushed", "get"),
    set: ours("flushed", "set"),
    setFast: ours("fast", "set"),
    getMany: ours("flushed", "get_many"),
  };
  const command = findRedis();
  if (command === undefined) {
    const rounds = await inTurns(sides, roundCount);
    await server.stop();
    const rates = Object.entries(rounds).map(([name, each]) => ({
      name: `cache ${name}, ${concurrent} at once`,
      figure: compare(each, each).perSecond,
      unit: "values/s",
    }));
    const note = "Redis is not installed here (Debian: redis-server), so there is no peer.";
    return { measurement: "cache", rows: rates, notes: [note] };
  }
  await using redis = await startRedis(command, freshDirectory(context, "redis"));
  await using peer = startLoad<RedisHandlers>("redis");
  await peer.order("connect", { port: redis.port });
  const theirs = (operation: CacheOrder["operation"]): Side => {
    const inFlight = operation === "get_many" ? 8 : concurrent;
    return async () => {
      const before = redis.cpuMicros();
      const { count, elapsedMs } = await peer.order("use", { operation, inFlight, until });
      const after = redis.cpuMicros();
      return {
        perSecond: (count / elapsedMs) * 1_000,
        cpuMicros:
          before === undefined || after === undefined ? undefined : (after - before) / count,
      };
    };
  };
  const rounds = await inTurns(
    {
      ...sides,
      redisGet: theirs("get"),
      redisSet: theirs("set"),
      redisGetMany: theirs("get_many"),
    },
    roundCount,
  );
  await server.stop();
  const many = "100 keys a call, 8 calls";
  const of = `${concurrent} at once`;
  const row = (name: string, unit: string, mine: keyof typeof rounds, other: keyof typeof rounds) =>
    rateRow(name, unit, "Redis, ioredis", compare(rounds[mine], rounds[other]), goal);
  return {
    measurement: "cache",
    rows: [
      row(`get, ${of}`, "values/s", "get", "redisGet"),
      row(`set, flushed, ${of}`, "values/s", "set", "redisSet"),
      row(`set, not durable, ${of}`, "values/s", "setFast", "redisSet"),
      row(`getMany, ${many}`, "values/s", "getMany", "redisGetMany"),
    ],
    notes: [],
  };
};
