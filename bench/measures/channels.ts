// Publishing in a channel through the client, to 1 and to 100 subscribers, beside ioredis and Redis in the same run: how many messages a
// second every subscriber has heard. Neither keeps anything on disk. The subscribers of ours are streams of one connection, those of
// Redis connections of their own.

import type { ChannelOrder } from "../load/channel-load.js";
import type { ChannelHandlers } from "../load/channels.worker.js";
import { startLoad } from "../load/orders.js";
import type { RedisChannelHandlers } from "../load/redis-channels.worker.js";
import { freshDirectory, type Measurement, planOf, sideOf, startServer } from "../measurement.js";
import { findRedis, type RedisServer, startRedis } from "../processes/redis.js";
import { type Measured, type Row, rateRow } from "../report.js";
import { compare, inTurns, type Side } from "../rounds.js";

const subscriberCounts = [1, 100] as const;
const inFlight = 64;

export const measureChannels: Measurement = async (context): Promise<Measured> => {
  await using server = await startServer(context);
  await using load = startLoad<ChannelHandlers>("channels");
  await load.order("connect", { address: server.address });
  const { roundCount, until } = planOf(context);
  const orderOf = (subscriberCount: number): ChannelOrder => ({
    channel: `to-${subscriberCount}`,
    subscriberCount,
    inFlight,
    until,
  });
  const ours = (count: number): Side => sideOf(server, () => load.order("use", orderOf(count)));
  const nameOf = (count: number): string => `publish to ${count}, heard by all`;
  const unit = "messages/s";
  const command = findRedis();
  if (command === undefined) {
    const rows: Row[] = [];
    for (const count of subscriberCounts) {
      const { mine } = await inTurns({ mine: ours(count) }, roundCount);
      rows.push({ name: nameOf(count), figure: compare(mine, mine).perSecond, unit });
    }
    await server.stop();
    const note = "Redis is not installed here (Debian: redis-server), so there is no peer.";
    return { measurement: "channels", rows, notes: [note] };
  }
  await using redis = await startRedis(command, freshDirectory(context, "redis"));
  await using peer = startLoad<RedisChannelHandlers>("redis-channels");
  await peer.order("connect", { port: redis.port });
  const rows: Row[] = [];
  for (const count of subscriberCounts) {
    const theirs = sideOfRedis(redis, () => peer.order("use", orderOf(count)));
    const { mine, other } = await inTurns({ mine: ours(count), other: theirs }, roundCount);
    rows.push(rateRow(nameOf(count), unit, "Redis, ioredis", compare(mine, other)));
  }
  await server.stop();
  return { measurement: "channels", rows, notes: [] };
};

function sideOfRedis(
  redis: RedisServer,
  runLoad: () => Promise<{ readonly count: number; readonly elapsedMs: number }>,
): Side {
  return async () => {
    const before = redis.cpuMicros();
    const { count, elapsedMs } = await runLoad();
    const after = redis.cpuMicros();
    const isKnown = before !== undefined && after !== undefined;
    return {
      perSecond: (count / elapsedMs) * 1_000,
      cpuMicros: isKnown ? (after - before) / count : undefined,
    };
  };
}
