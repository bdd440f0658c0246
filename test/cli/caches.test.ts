// `forebay cache …` on a real server.

import { expect, test } from "vitest";
import { cliScenario } from "./harness.js";

test("caches are made, changed, listed, shown, emptied and deleted", async () => {
  const { run, json } = await cliScenario();
  expect(
    await json("cache create prices --ttl 1h --max-items 100 --eviction allkeys-lru --jitter 5"),
  ).toMatchObject({
    cache: "prices",
    defaultTtlMs: 3_600_000,
    maxItems: 100,
    eviction: "allkeys_lru",
    ttlJitterPercent: 5,
    durability: "flushed",
  });
  expect((await run("cache create prices")).stderr).toContain("exists already");
  expect((await run("cache create prices --max-items 7")).exitCode).toBe(4);
  expect(await json("cache update prices --durability none --reset max-items")).toMatchObject({
    durability: "none",
    maxItems: 0,
    defaultTtlMs: 3_600_000,
  });
  expect(await json("cache update prices --max-element-bytes 4096")).toMatchObject({
    maxElementBytes: 4_096,
    maxItems: 0,
  });
  expect((await run("cache info prices")).stdout).toMatch(/max element bytes +4096/);
  expect(await json("cache update prices --reset max-element-bytes")).toMatchObject({
    maxElementBytes: 131_072,
  });
  expect((await run("cache create long --max-element-bytes 1048577")).exitCode).toBe(2);
  expect((await run("cache update prices --durability none --etag x")).exitCode).toBe(4);
  expect((await run("cache update prices")).exitCode).toBe(2);
  expect((await run("cache update prices --reset nonsense")).stderr).toContain("none of ttl");
  expect((await run("cache ls -o raw")).stdout).toBe("default\nprices\n");
  expect((await run("cache ls --prefix p")).stdout).toContain("allkeys_lru");
  expect((await run("cache info prices")).stdout).toContain("1h");
  expect((await run("cache info none")).exitCode).toBe(3);
  await run("cache set a 1 -c prices");
  await run("cache get a -c prices");
  expect(await json("cache stats prices --reset")).toMatchObject({
    items: 1,
    hitRatio1m: 1,
    window: { sets: 1, hits: 1 },
  });
  expect((await run("cache stats prices")).stdout).toContain("evicted for bytes");
  expect((await run("cache flush prices")).exitCode).toBe(2);
  expect((await run("cache flush prices --yes -o raw")).stdout).toBe("1\n");
  expect((await run("cache rm prices --yes")).stderr).toContain("is deleted");
  expect((await run("cache rm prices --yes")).exitCode).toBe(3);
  expect((await run("cache rm prices --yes --if-exists")).stderr).toContain("There was no cache");
});

test("what is in a cache is written, read, counted with, listed and deleted", async () => {
  const { run, json } = await cliScenario();
  expect(await json("cache set a 1 --ttl 1h --tag red")).toMatchObject({
    key: "a",
    expireTime: expect.any(String),
  });
  expect((await run("cache get a -o raw")).stdout).toBe("1\n");
  expect(await json("cache get a")).toMatchObject({
    key: "a",
    kind: "hit",
    value: "1",
    encoding: "text",
  });
  expect((await run("cache get none")).exitCode).toBe(3);
  expect((await run("cache set a 2 --if-absent")).exitCode).toBe(4);
  expect((await run("cache set b 2 --if-present")).stderr).toContain("b has nothing");
  const { version } = (await json("cache set b 2")) as { readonly version: string };
  expect((await run(`cache set b 3 --if-version ${version} --keep-ttl`)).exitCode).toBe(0);
  expect((await run(`cache set b 4 --if-version ${version}`)).exitCode).toBe(4);
  expect((await run("cache set b 4 --if-version x")).exitCode).toBe(2);
  expect((await run("cache set b 4 --if-absent --if-present")).exitCode).toBe(2);
  expect((await run("cache set b 4 --ttl 1s --keep-ttl")).exitCode).toBe(2);
  expect((await run("cache set b")).exitCode).toBe(2);
  await run("cache set long --file - --pin", { stdin: "from stdin" });
  expect((await run("cache get long --peek -o raw")).stdout).toBe("from stdin\n");
  expect((await run("cache incr n -o raw")).stdout).toBe("1\n");
  expect((await run("cache incr n 41 --ttl 1h -o raw")).stdout).toBe("42\n");
  expect((await run("cache incr n x")).exitCode).toBe(2);
  expect((await run("cache incr long")).stderr).toContain("NOT_A_NUMBER");
  expect(await json("cache expire n 1h")).toMatchObject({ expireTime: expect.any(String) });
  expect(await json("cache expire n never")).toMatchObject({ expireTime: null });
  expect((await run("cache expire none 1h")).exitCode).toBe(3);
  expect(await json("cache meta a long none")).toMatchObject([
    { key: "a", tags: ["red"] },
    { key: "long", pinned: true },
  ]);
  expect((await run("cache scan -o raw")).stdout).toBe("a\nb\nlong\nn\n");
  expect((await run("cache scan --reverse --limit 2 -o raw")).stdout).toBe("n\nlong\n");
  expect((await run("cache scan --tag red --values")).stdout).toMatch(/a +1/);
  expect((await run("cache scan --prefix none")).stderr).toContain("No key is like that");
  expect((await run("cache count -o raw")).stdout).toBe("4\n");
  expect((await run("cache invalidate")).exitCode).toBe(2);
  expect((await run("cache invalidate --prefix x --stale --yes")).exitCode).toBe(2);
  expect((await run("cache invalidate --tag red --stale --yes")).exitCode).toBe(0);
  expect((await run("cache get a --stale")).stdout).toContain("stale");
  expect((await run("cache invalidate --prefix lo --yes")).exitCode).toBe(0);
  expect((await run("cache del b n none -o raw")).stdout).toBe("2\n");
  expect((await run("cache count -o raw")).stdout).toBe("0\n");
});

test("locks are taken, kept and let go of by their tokens", async () => {
  const { run, json } = await cliScenario();
  const taken = await run("cache lock acquire job --lease 60s -o raw");
  const token = taken.stdout.trim();
  expect(token).toMatch(/^\d+$/);
  const refused = await run("cache lock acquire job");
  expect([refused.exitCode, refused.stderr]).toEqual([4, expect.stringContaining("Somebody else")]);
  expect(await json(`cache lock renew job ${token} --lease 90s`)).toMatchObject({
    lock: "job",
    token,
    expireTime: expect.any(String),
  });
  expect((await run("cache lock renew job x")).exitCode).toBe(2);
  expect((await run(`cache lock release job ${token}`)).stderr).toContain("is free");
  expect((await run(`cache lock release job ${token}`)).exitCode).toBe(4);
  expect((await run(`cache lock renew job ${token}`)).exitCode).toBe(4);
  expect((await run("cache lock acquire job --wait 1s")).exitCode).toBe(0);
});
