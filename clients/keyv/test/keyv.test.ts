// The tests that Keyv has for its stores, on a real server, and what they do not ask.

import { ForebayClient } from "@forebay/client";
import keyvTestSuite, { keyvIteratorTests } from "@keyv/test-suite";
import { Keyv } from "keyv";
import * as vitest from "vitest";
import { RealServer } from "../../typescript/test/support/real-server.js";
import { KeyvForebay } from "../src/index.js";

const { afterAll, describe, expect, test } = vitest;

const server = await RealServer.start(afterAll);
const client = new ForebayClient({ endpoint: server.endpoint });
afterAll(() => client.close());

const store = (): KeyvForebay => new KeyvForebay({ client });

describe("the tests of Keyv", () => {
  keyvTestSuite(vitest, Keyv, store);
});

describe("the tests of Keyv for iterators", () => {
  keyvIteratorTests(vitest, Keyv, store);
});

describe("what Keyv does not ask", () => {
  test("a value ends on the server, too, and without a life as the cache says", async () => {
    await client.caches.create("short", { defaultTtlMs: 3_600_000 });
    const short = new KeyvForebay({ client, cache: "short" });
    await short.set("fraction", "1", 0.2);
    await expect.poll(() => short.get("fraction")).toBeUndefined();
    await short.set("default", "1");
    const [meta] = await client.cache("short").meta(["default"]);
    expect(meta?.expiresAt).toBeInstanceOf(Date);
  });

  test("many are read, written, found and deleted", async () => {
    const keyv = new Keyv({ store: store(), namespace: "many" });
    const keys = Array.from({ length: 2_500 }, (_, index) => `k${index}`);
    const written = await keyv.setMany(keys.map((key) => ({ key, value: key })));
    expect(written).toEqual(keys.map(() => true));
    expect(await keyv.getMany([...keys, "none"])).toEqual([...keys, undefined]);
    const found = await keyv.hasMany([...keys, "none"]);
    expect(found).toEqual([...keys.map(() => true), false]);
    expect(await keyv.deleteMany(keys)).toBe(true);
    expect(await keyv.hasMany(keys)).toEqual(keys.map(() => false));
  });

  test("without a namespace everything is cleared and listed", async () => {
    await client.caches.create("bare");
    const bare = new KeyvForebay({ client, cache: "bare" });
    await client.cache("bare").set(Uint8Array.of(0, 255), "no key of Keyv's");
    await client.cache("bare").set("bytes", Buffer.from("text"));
    const listed: unknown[] = [];
    for await (const entry of bare.iterator()) listed.push(entry);
    expect(listed).toEqual([["bytes", "text"]]);
    expect(await bare.get("bytes")).toBe("text");
    await bare.clear();
    expect(await client.cache("bare").count({ exact: true })).toBe(0);
  });

  test("a namespace that another begins with is cleared alone", async () => {
    const [one, other] = ["a", "ab"].map((namespace) => new Keyv({ store: store(), namespace }));
    await Promise.all([one?.set("k", 1), other?.set("k", 2)]);
    await one?.clear();
    expect([await one?.get("k"), await other?.get("k")]).toEqual([undefined, 2]);
  });

  test("what is no text cannot be stored, and errors are Keyv's to tell", async () => {
    await expect(store().set("k", { a: 1 })).rejects.toThrow(TypeError);
    const keyv = new Keyv({ store: new KeyvForebay({ client, cache: "none" }) });
    const errors: unknown[] = [];
    keyv.on("error", (error) => errors.push(error));
    expect(await keyv.set("k", 1)).toBe(false);
    expect(errors).toMatchObject([{ reason: "CACHE_NOT_FOUND" }]);
    // The client is still open.
    await keyv.disconnect();
    expect(await store().has("k")).toBe(false);
  });
});
