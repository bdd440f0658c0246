// What the management listener tells of caches: numbers that are exact over a restart, and the reads that this process has answered.

import { expect, test } from "vitest";
import { cacheScenario, createCache, get, set, ttl } from "../support/caches.js";
import type { Scenario } from "../support/scenario.js";

async function metricsOf({ server }: Scenario): Promise<string> {
  const { host, port } = server.managementAddress;
  return await (await fetch(`http://${host}:${port}/metrics`)).text();
}

test("metrics tell of each cache what is in it and what was done to it, also after a restart", async () => {
  const t = await cacheScenario();
  await createCache(t, "prices", { maxItems: 2n });
  for (const key of ["a", "b", "c"])
    await set(t, key, "1", { cache: "prices", pinned: key === "a" });
  await set(t, "soon", "1", { expiry: ttl(1_000) });
  await get(t, "a", { cache: "prices" });
  await get(t, "none", { cache: "prices" });
  const label = 'cache="default/prices"';
  const check = async () => {
    // Caches are counted every five seconds.
    await t.advance(10_000);
    const text = await metricsOf(t);
    expect(text).toContain(`forebay_cache_items{${label}} 2\n`);
    expect(text).toContain(`forebay_cache_bytes{${label}} 132\n`);
    expect(text).toContain(`forebay_cache_pinned_bytes{${label}} 66\n`);
    expect(text).toContain(`forebay_cache_events{${label},event="sets"} 3\n`);
    expect(text).toContain(`forebay_cache_events{${label},event="evicted_for_items"} 1\n`);
    expect(text).toContain(`forebay_cache_events{cache="default/default",event="expired"} 1\n`);
    expect(text).toContain(`forebay_cache_reaper_lag_seconds{${label}} 0\n`);
  };
  await check();
  const text = await metricsOf(t);
  expect(text).toContain(`forebay_cache_reads{${label},outcome="hit"} 1\n`);
  expect(text).toContain(`forebay_cache_reads{${label},outcome="miss"} 1\n`);
  await t.restart();
  await check();
});
