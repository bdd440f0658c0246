// What is meant to be as in Redis is as in Redis: the same random calls on a real one and on ours, one after another, come to the same
// answers. Ranges that Redis ends with their last element end one later here, and a list that LPUSH makes of several values is pushed
// with `reverse`; wrong types are errors of both.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { findRedis, type RedisServer, startRedis } from "../../bench/processes/redis.js";
import { type Cache, type CacheValue, ForebayClient } from "../../clients/typescript/src/index.js";
import { RealServer } from "../../clients/typescript/test/support/real-server.js";
import { propertyTimeoutMs, runs } from "../support/property.js";

const absence = "Redis is not installed (Debian: redis-server), so nothing is compared with it.";
const program = findRedis();
if (program === undefined) {
  if (process.env["CI"] === "true") throw new Error(absence);
  console.warn(absence);
}

/** One call on both: what each comes to, as plain values. */
interface Call {
  readonly redis: (redis: Redis) => Promise<unknown>;
  readonly ours: (cache: Cache<CacheValue>) => Promise<unknown>;
  readonly said: string;
}

const key = fc.constantFrom("k1", "k2", "k3");
const member = fc.constantFrom("a", "b", "c", "d", "e", "f");
const members = fc.array(member, { minLength: 1, maxLength: 4 });
const index = fc.integer({ min: -6, max: 6 });
const score = fc.constantFrom(-3, -1, 0, 1, 1.5, 2, 7);

/** The end of a range that has its last element, as one that ends before it. */
const behind = (last: number): number | undefined => (last === -1 ? undefined : last + 1);
const sorted = (values: Iterable<unknown>): readonly string[] => [...values].map(String).sort();
const call = (said: string, redis: Call["redis"], ours: Call["ours"]): Call => ({
  said,
  redis,
  ours,
});

/** A destination of another type is an error here also while there is nothing to move. */
async function mustTake(redis: Redis, to: string, type: string): Promise<void> {
  const is = await redis.type(to);
  if (is !== "none" && is !== type) throw new Error(`It has a ${is}.`);
}

async function all<Item>(items: AsyncIterable<Item>): Promise<readonly Item[]> {
  const found: Item[] = [];
  for await (const item of items) found.push(item);
  return found;
}

const scalars: fc.Arbitrary<Call> = fc.oneof(
  fc.tuple(key, member).map(([k, v]) =>
    call(
      `SET ${k} ${v}`,
      (r) => r.set(k, v),
      async (c) => {
        await c.set(k, v);
        return "OK";
      },
    ),
  ),
  key.map((k) =>
    call(
      `GET ${k}`,
      (r) => r.get(k),
      async (c) => (await c.value(k)) ?? null,
    ),
  ),
  fc.tuple(key, fc.integer({ min: -5, max: 5 })).map(([k, by]) =>
    call(
      `INCRBY ${k} ${by}`,
      (r) => r.incrby(k, by),
      async (c) => Number(await c.increment(k, by)),
    ),
  ),
  fc.tuple(key, member).map(([k, v]) =>
    call(
      `APPEND ${k} ${v}`,
      (r) => r.append(k, v),
      (c) => c.append(k, v),
    ),
  ),
  key.map((k) =>
    call(
      `DEL ${k}`,
      (r) => r.del(k),
      async (c) => ((await c.delete(k)) ? 1 : 0),
    ),
  ),
  fc.tuple(key, key).map(([from, to]) =>
    call(
      `RENAME ${from} ${to}`,
      (r) =>
        r.rename(from, to).then(
          () => "done",
          () => "absent",
        ),
      async (c) => ((await c.rename(from, to, { overwrite: true })) === "done" ? "done" : "absent"),
    ),
  ),
);

const hashes: fc.Arbitrary<Call> = fc.oneof(
  fc.tuple(key, members, member).map(([k, fields, v]) =>
    call(
      `HSET ${k} ${fields.join()} ${v}`,
      (r) => r.hset(k, Object.fromEntries(fields.map((field) => [field, v]))),
      async (c) => (await c.dictionary(k).set(fields.map((field) => [field, v]))).created,
    ),
  ),
  fc.tuple(key, members).map(([k, fields]) =>
    call(
      `HMGET ${k} ${fields.join()}`,
      (r) => r.hmget(k, ...fields),
      async (c) => (await c.dictionary(k).getMany(fields)).map((field) => field?.value ?? null),
    ),
  ),
  fc.tuple(key, members).map(([k, fields]) =>
    call(
      `HDEL ${k} ${fields.join()}`,
      (r) => r.hdel(k, ...fields),
      async (c) => (await c.dictionary(k).delete(fields)).removed,
    ),
  ),
  fc.tuple(key, member, fc.integer({ min: -5, max: 5 })).map(([k, field, by]) =>
    call(
      `HINCRBY ${k} ${field} ${by}`,
      (r) => r.hincrby(k, field, by),
      async (c) => Number(await c.dictionary(k).increment(field, by)),
    ),
  ),
  key.map((k) =>
    call(
      `HGETALL ${k}`,
      async (r) => sorted(Object.entries(await r.hgetall(k)).map((pair) => pair.join("="))),
      async (c) =>
        sorted(
          (await all(c.dictionary(k).entries())).map(({ field, value }) => `${field}=${value}`),
        ),
    ),
  ),
  key.map((k) =>
    call(
      `HLEN ${k}`,
      (r) => r.hlen(k),
      (c) => c.dictionary(k).length(),
    ),
  ),
);

const lists: fc.Arbitrary<Call> = fc.oneof(
  fc.tuple(key, members).map(([k, values]) =>
    call(
      `RPUSH ${k} ${values.join()}`,
      (r) => r.rpush(k, ...values),
      async (c) => (await c.list(k).push(values)).length,
    ),
  ),
  fc.tuple(key, members).map(([k, values]) =>
    call(
      `LPUSH ${k} ${values.join()}`,
      (r) => r.lpush(k, ...values),
      async (c) => (await c.list(k).push(values, { end: "front", reverse: true })).length,
    ),
  ),
  key.map((k) =>
    call(
      `LPOP ${k}`,
      (r) => r.lpop(k),
      async (c) => (await c.list(k).pop()) ?? null,
    ),
  ),
  key.map((k) =>
    call(
      `RPOP ${k}`,
      (r) => r.rpop(k),
      async (c) => (await c.list(k).pop({ end: "back" })) ?? null,
    ),
  ),
  fc.tuple(key, index, index).map(([k, from, to]) =>
    call(
      `LRANGE ${k} ${from} ${to}`,
      (r) => r.lrange(k, from, to),
      async (c) => (await c.list(k).range(from, behind(to))) ?? [],
    ),
  ),
  fc.tuple(key, index, index).map(([k, from, to]) =>
    call(
      `LTRIM ${k} ${from} ${to}`,
      (r) => r.ltrim(k, from, to),
      async (c) => {
        await c.list(k).retain(from, behind(to));
        return "OK";
      },
    ),
  ),
  fc.tuple(key, index).map(([k, at]) =>
    call(
      `LINDEX ${k} ${at}`,
      (r) => r.lindex(k, at),
      async (c) => (await c.list(k).at(at)) ?? null,
    ),
  ),
  fc.tuple(key, index, member).map(([k, at, v]) =>
    call(
      `LSET ${k} ${at} ${v}`,
      (r) => r.lset(k, at, v),
      async (c) => {
        await c.list(k).set(at, v);
        return "OK";
      },
    ),
  ),
  fc.tuple(key, index, member).map(([k, count, v]) =>
    call(
      `LREM ${k} ${count} ${v}`,
      (r) => r.lrem(k, count, v),
      (c) => c.list(k).remove(v, count),
    ),
  ),
  fc
    .tuple(key, fc.constantFrom("before" as const, "after" as const), member, member)
    .map(([k, where, pivot, v]) =>
      call(
        `LINSERT ${k} ${where} ${pivot} ${v}`,
        async (r) => {
          const length =
            where === "before"
              ? await r.linsert(k, "BEFORE", pivot, v)
              : await r.linsert(k, "AFTER", pivot, v);
          if (length > 0) return "inserted";
          return length === 0 ? "missing" : "pivot_absent";
        },
        (c) => c.list(k).insert(where, pivot, v),
      ),
    ),
  fc.tuple(key, key).map(([from, to]) =>
    call(
      `LMOVE ${from} ${to} LEFT RIGHT`,
      async (r) => {
        await mustTake(r, to, "list");
        return await r.lmove(from, to, "LEFT", "RIGHT");
      },
      async (c) => (await c.list(from).move(to)) ?? null,
    ),
  ),
  key.map((k) =>
    call(
      `LLEN ${k}`,
      (r) => r.llen(k),
      (c) => c.list(k).length(),
    ),
  ),
);

const sets: fc.Arbitrary<Call> = fc.oneof(
  fc.tuple(key, members).map(([k, names]) =>
    call(
      `SADD ${k} ${names.join()}`,
      (r) => r.sadd(k, ...names),
      async (c) => (await c.memberSet(k).add(names)).added,
    ),
  ),
  fc.tuple(key, members).map(([k, names]) =>
    call(
      `SREM ${k} ${names.join()}`,
      (r) => r.srem(k, ...names),
      async (c) => (await c.memberSet(k).remove(names)).removed,
    ),
  ),
  fc.tuple(key, members).map(([k, names]) =>
    call(
      `SMISMEMBER ${k} ${names.join()}`,
      (r) => r.smismember(k, ...names),
      async (c) => (await c.memberSet(k).hasMany(names)).map(({ found }) => (found ? 1 : 0)),
    ),
  ),
  fc.tuple(key, key, member).map(([from, to, v]) =>
    call(
      `SMOVE ${from} ${to} ${v}`,
      async (r) => {
        await mustTake(r, to, "set");
        return await r.smove(from, to, v);
      },
      async (c) => ((await c.memberSet(from).move(v, to)) ? 1 : 0),
    ),
  ),
  fc
    .tuple(key, key, fc.constantFrom("union" as const, "intersect" as const, "difference" as const))
    .map(([k, other, operation]) => {
      const commands = { union: "sunion", intersect: "sinter", difference: "sdiff" } as const;
      return call(
        `${commands[operation]} ${k} ${other}`,
        async (r) => sorted(await r[commands[operation]](k, other)),
        async (c) => sorted(await c.memberSet(k).combine(operation, [other])),
      );
    }),
  key.map((k) =>
    call(
      `SCARD ${k}`,
      (r) => r.scard(k),
      (c) => c.memberSet(k).length(),
    ),
  ),
);

const plain = (elements: Iterable<{ readonly member: unknown; readonly score: number }>) =>
  [...elements].flatMap(({ member: name, score: value }) => [String(name), String(value)]);

const sortedSets: fc.Arbitrary<Call> = fc.oneof(
  fc.tuple(key, member, score).map(([k, name, value]) =>
    call(
      `ZADD ${k} ${value} ${name}`,
      (r) => r.zadd(k, value, name),
      async (c) => (await c.sortedSet(k).put([[name, value]])).added,
    ),
  ),
  fc.tuple(key, member, score).map(([k, name, value]) =>
    call(
      `ZADD ${k} GT CH ${value} ${name}`,
      (r) => r.zadd(k, "GT", "CH", value, name),
      async (c) => {
        const put = await c.sortedSet(k).put([[name, value]], { compare: "greater" });
        return put.added + put.updated;
      },
    ),
  ),
  fc.tuple(key, member, score).map(([k, name, by]) =>
    call(
      `ZINCRBY ${k} ${by} ${name}`,
      async (r) => Number(await r.zincrby(k, by, name)),
      (c) => c.sortedSet(k).increment(name, by),
    ),
  ),
  fc.tuple(key, index, index).map(([k, from, to]) =>
    call(
      `ZRANGE ${k} ${from} ${to} WITHSCORES`,
      (r) => r.zrange(k, String(from), String(to), "WITHSCORES"),
      async (c) =>
        plain((await c.sortedSet(k).range({ fromRank: from, toRank: behind(to) })) ?? []),
    ),
  ),
  fc.tuple(key, index, index).map(([k, from, to]) =>
    call(
      `ZREVRANGE ${k} ${from} ${to} WITHSCORES`,
      (r) => r.zrevrange(k, from, to, "WITHSCORES"),
      async (c) => {
        const range = { fromRank: from, toRank: behind(to), reverse: true };
        return plain((await c.sortedSet(k).range(range)) ?? []);
      },
    ),
  ),
  fc.tuple(key, score, score).map(([k, min, max]) =>
    call(
      `ZRANGEBYSCORE ${k} (${min} ${max}`,
      (r) => r.zrangebyscore(k, `(${min}`, String(max)),
      async (c) => {
        const found = await c.sortedSet(k).range({ byScore: { min, minExclusive: true, max } });
        return (found ?? []).map(({ member: name }) => name);
      },
    ),
  ),
  fc.tuple(key, member).map(([k, name]) =>
    call(
      `ZREVRANK ${k} ${name}`,
      (r) => r.zrevrank(k, name),
      async (c) => (await c.sortedSet(k).rank(name, { reverse: true })) ?? null,
    ),
  ),
  fc.tuple(key, score, score).map(([k, min, max]) =>
    call(
      `ZCOUNT ${k} ${min} ${max}`,
      (r) => r.zcount(k, min, max),
      (c) => c.sortedSet(k).length({ byScore: { min, max } }),
    ),
  ),
  fc.tuple(key, members).map(([k, names]) =>
    call(
      `ZREM ${k} ${names.join()}`,
      (r) => r.zrem(k, ...names),
      async (c) => (await c.sortedSet(k).remove(names)).removed,
    ),
  ),
  fc.tuple(key, fc.integer({ min: 1, max: 3 })).map(([k, count]) =>
    call(
      `ZPOPMAX ${k} ${count}`,
      (r) => r.zpopmax(k, count),
      async (c) => plain(await c.sortedSet(k).pop("max", count)),
    ),
  ),
  fc.tuple(key, index, index).map(([k, from, to]) =>
    call(
      `ZREMRANGEBYRANK ${k} ${from} ${to}`,
      (r) => r.zremrangebyrank(k, from, to),
      (c) => c.sortedSet(k).removeRange({ fromRank: from, toRank: behind(to) }),
    ),
  ),
  fc
    .tuple(key, key, fc.constantFrom("union" as const, "intersect" as const))
    .map(([k, other, operation]) => {
      const command = operation === "union" ? "ZUNION" : "ZINTER";
      return call(
        `${command} 2 ${k} ${other} WEIGHTS 2 3 AGGREGATE MAX WITHSCORES`,
        async (r) => {
          const sources = ["2", k, other, "WEIGHTS", "2", "3", "AGGREGATE", "MAX"];
          const answer = await r.call(command, ...sources, "WITHSCORES");
          // Pairs, or one after another, as the protocol has it.
          return Array.isArray(answer) ? answer.flat() : answer;
        },
        async (c) => {
          const others = [{ key: other, weight: 3 }];
          const options = { weight: 2, aggregate: "max" } as const;
          return plain(await c.sortedSet(k).combine(operation, others, options));
        },
      );
    }),
);

/** An error is one, whatever it says. */
async function answerOf(answer: Promise<unknown>): Promise<unknown> {
  try {
    return await answer;
  } catch {
    return "an error";
  }
}

describe.runIf(program !== undefined)("beside a real Redis", () => {
  let server: RealServer;
  let client: ForebayClient;
  let peer: RedisServer;
  let redis: Redis;
  const directory = mkdtempSync(join(tmpdir(), "forebay-redis-"));
  const ends: (() => Promise<void>)[] = [];

  beforeAll(async () => {
    server = await RealServer.start((end) => ends.push(end));
    client = new ForebayClient({ endpoint: server.endpoint });
    peer = await startRedis(program ?? "", directory);
    redis = new Redis({ host: "127.0.0.1", port: peer.port });
  });

  afterAll(async () => {
    redis.disconnect();
    await peer[Symbol.asyncDispose]();
    await client.close();
    for (const end of ends) await end();
    rmSync(directory, { recursive: true, force: true });
  });

  const kinds = { scalars, hashes, lists, sets, "sorted sets": sortedSets };

  test.each(Object.entries(kinds))(
    "%s answer as those of Redis do, whatever is asked of them",
    async (_name, calls) => {
      // One of another kind in eight, so that types meet.
      const mixed = fc.oneof(
        { weight: 7, arbitrary: calls },
        { weight: 1, arbitrary: fc.oneof(scalars, hashes, lists, sets, sortedSets) },
      );
      await fc.assert(
        fc.asyncProperty(fc.array(mixed, { maxLength: 60, size: "max" }), async (steps) => {
          await redis.flushall();
          await client.caches.flush("default");
          const said: string[] = [];
          for (const step of steps) {
            said.push(step.said);
            const [theirs, ours] = await Promise.all([
              answerOf(step.redis(redis)),
              answerOf(step.ours(client.cache())),
            ]);
            expect({ said, answer: ours }).toEqual({ said, answer: theirs });
          }
        }),
        runs(15),
      );
    },
    propertyTimeoutMs,
  );
});
