// When a target says it wants to be asked again, in both of HTTP's ways; and names that are looked up.

import { describe, expect, test } from "vitest";
import { epochMs } from "../../src/base/brands.js";
import { outcomeOfResponse, retryAfterMs } from "../../src/delivery/http-outcome.js";
import { createSystemResolve, limited } from "../../src/delivery/resolver.js";

const now = epochMs(Date.UTC(2030, 0, 1));

test.each([
  ["0", 0],
  ["120", 120_000],
  [" 5 ", 5_000],
  ["Tue, 01 Jan 2030 00:00:30 GMT", 30_000],
  ["Mon, 31 Dec 2029 23:00:00 GMT", 0],
  ["", undefined],
  ["-1", undefined],
  ["1.5", undefined],
  ["soon", undefined],
  ["1234567890", undefined],
  ["2030-01-01", undefined],
  [undefined, undefined],
])("Retry-After %j is %j ms", (text, expected) => {
  expect(retryAfterMs(text, now)).toBe(expected);
});

test("only 429 and 503 say when to come back", () => {
  const hintOf = (statusCode: number) => {
    const outcome = outcomeOfResponse({ statusCode, retryAfter: "7" }, now);
    return outcome.kind === "retryable" ? outcome.hint?.delayMs : outcome.kind;
  };
  expect([429, 503, 500, 502, 404, 200].map(hintOf)).toEqual([
    7_000,
    7_000,
    undefined,
    undefined,
    "permanent",
    "delivered",
  ]);
});

describe("names", () => {
  test("that only the machine knows are found", async () => {
    const addresses = await createSystemResolve()("localhost");
    expect(addresses.every((address) => address === "127.0.0.1" || address === "::1")).toBe(true);
    expect(addresses.length).toBeGreaterThan(0);
  });

  test("are looked up so many at once, the others in turn, and too many are refused", async () => {
    const running: (() => void)[] = [];
    const begun: string[] = [];
    const resolve = limited((host) => {
      begun.push(host);
      return new Promise((done) => {
        running.push(() => done([host]));
      });
    }, 2);
    const turns = () => new Promise((done) => setImmediate(done));
    const looked = Array.from({ length: 66 }, (_, index) => resolve(`name-${index}`));
    await turns();
    expect(begun).toEqual(["name-0", "name-1"]);
    await expect(resolve("one-too-many")).rejects.toThrow("Too many");
    while (running.length > 0) {
      running.shift()?.();
      await turns();
    }
    expect(await Promise.all(looked)).toHaveLength(66);
    expect(begun).toHaveLength(66);
    // The places are free again, and no more of them than before.
    const again = [resolve("x"), resolve("y"), resolve("z")];
    await turns();
    expect(begun.slice(66)).toEqual(["x", "y"]);
    while (running.length > 0) {
      running.shift()?.();
      await turns();
    }
    expect(await Promise.all(again)).toEqual([["x"], ["y"], ["z"]]);
  });

  test("a look-up that fails leaves its place to the next", async () => {
    let asked = 0;
    const resolve = limited(() => {
      asked += 1;
      return asked === 1 ? Promise.reject(new Error("no")) : Promise.resolve(["::1"]);
    }, 1);
    const first = resolve("a");
    const second = resolve("b");
    await expect(first).rejects.toThrow("no");
    expect(await second).toEqual(["::1"]);
  });
});
