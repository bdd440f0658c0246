// Ranks among a million members, beside Redis in the same run: a call of ours asks for a hundred, and ioredis sends a hundred together.

import type { CacheHandlers } from "../load/cache.worker.js";
import { startLoad } from "../load/orders.js";
import type { RedisHandlers } from "../load/redis.worker.js";
import { freshDirectory, type Measurement, planOf, sideOf, startServer } from "../measurement.js";
import { findRedis, startRedis } from "../processes/redis.js";
import { type Measured, type Row, rateRow } from "../report.js";
import { compare, inTurns, type Round } from "../rounds.js";

const operation = "rank";
/** Calls with a hundred members each. */
const inFlight = 8;
const goalMicros = 100;

export const measureSortedSets: Measurement = async (context): Promise<Measured> => {
  const length = context.isSmoke ? 100_000 : 1_000_000;
  await using server = await startServer(context);
  await using load = startLoad<CacheHandlers>("cache");
  await load.order("connect", { address: server.address });
  context.say(`a sorted set of ${length} members`);
  await load.order("fillBoard", { length });
  const { roundCount, until } = planOf(context);
  const ours = sideOf(server, () =>
    load.order("use", { cache: "flushed", operation, inFlight, until }),
  );
  const name = `rank among ${length.toLocaleString("en-US")} members, 100 a call, ${inFlight} calls`;
  const command = findRedis();
  if (command === undefined) {
    const { rank } = await inTurns({ rank: ours }, roundCount);
    await server.stop();
    const note = "Redis is not installed here (Debian: redis-server), so there is no peer.";
    const { perSecond } = compare(rank, rank);
    const rows = [{ name, figure: perSecond, unit: "ranks/s" }, ...cpuRow(rank, length)];
    return { measurement: "sorted-sets", rows, notes: [note] };
  }
  await using redis = await startRedis(command, freshDirectory(context, "redis"));
  await using peer = startLoad<RedisHandlers>("redis");
  await peer.order("connect", { port: redis.port });
  await peer.order("fillBoard", { length });
  const { rank, redisRank } = await inTurns(
    {
      rank: ours,
      redisRank: async () => {
        const before = redis.cpuMicros();
        const { count, elapsedMs } = await peer.order("use", { operation, inFlight, until });
        const after = redis.cpuMicros();
        return {
          perSecond: (count / elapsedMs) * 1_000,
          cpuMicros:
            before === undefined || after === undefined ? undefined : (after - before) / count,
        };
      },
    },
    roundCount,
  );
  await server.stop();
  const rows = [
    rateRow(name, "ranks/s", "Redis, ioredis", compare(rank, redisRank)),
    ...cpuRow(rank, length),
  ];
  return { measurement: "sorted-sets", rows, notes: [] };
};

/** The time of the server for one rank, with the call's share. */
function cpuRow(rounds: readonly Round[], length: number): readonly Row[] {
  const { cpuMicros } = compare(rounds, rounds);
  if (cpuMicros === undefined) return [];
  return [
    {
      name: `CPU of the server for a rank among ${length.toLocaleString("en-US")}`,
      figure: cpuMicros,
      unit: "us",
      target: { of: "figure", below: goalMicros },
    },
  ];
}
