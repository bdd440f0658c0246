// The server is killed again and again while caches are written: what was acknowledged is there, versions never go back, an increment
// with a request id happens exactly once however often it is asked for, and a batch is there whole or not at all. Real processes, real
// SIGKILL.

import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { CacheDurability } from "../../src/gen/forebay/cache/v1/cache.js";
import { CollectionEnd } from "../../src/gen/forebay/cache/v1/collection.js";
import {
  cacheCall,
  createCache,
  getFull,
  increment,
  keyForm,
  keyOf,
  set,
  textOf,
} from "../support/caches.js";
import { CallError } from "../support/call-error.js";
import { Life } from "./life.js";

const killCount = 10;
const keyCount = 20;
const testMsMax = 120_000;

/** What is known of a key: the last write that was answered, and the last that was begun. */
interface Known {
  acknowledged: number;
  begun: number;
  version: bigint;
}

/** Between two servers there is no connection either. */
const isLost = (error: unknown): boolean =>
  error instanceof CallError
    ? ["UNAVAILABLE", "CANCELLED"].includes(error.code)
    : error instanceof Error && error.message === "Channel has been shut down";

/** What it comes to; undefined where the server went before it answered. */
async function unlessLost<Answer>(call: Promise<Answer>): Promise<Answer | undefined> {
  try {
    return await call;
  } catch (error) {
    if (isLost(error)) return undefined;
    throw error;
  }
}

async function writeKey(life: Life, key: string, known: Known, isOver: () => boolean) {
  while (!isOver()) {
    known.begun += 1;
    const number = known.begun;
    const answer = await unlessLost(set(life, key, String(number)));
    if (answer === undefined) {
      await sleep(20);
      continue;
    }
    expect(answer.version).toBeGreaterThan(known.version);
    known.acknowledged = number;
    known.version = answer.version;
  }
}

/** Asks under one request id until it is answered. */
async function count(life: Life, isOver: () => boolean): Promise<number> {
  let counted = 0;
  while (!isOver()) {
    const requestId = `increment ${counted}`;
    let answer: Awaited<ReturnType<typeof increment>> | undefined;
    while (answer === undefined) {
      answer = await unlessLost(increment(life, "counter", { requestId }));
      if (answer === undefined) await sleep(20);
    }
    counted += 1;
    expect(answer.value).toBe(BigInt(counted));
  }
  return counted;
}

/** Two keys that are always written together. */
async function writePairs(life: Life, isOver: () => boolean): Promise<void> {
  for (let round = 0; !isOver(); round += 1) {
    const operations = ["left", "right"].map((key) => {
      const value = { keyForm: keyForm(key), valueForm: valueForm(String(round)) };
      return { operation: { $case: "set", value } } as const;
    });
    const answer = await unlessLost(cacheCall(life, "atomicBatch", { operations }));
    if (answer === undefined) await sleep(20);
  }
}

const valueForm = (text: string) => ({ $case: "value", value: text }) as const;

const storedValue = async (
  life: Life,
  key: string,
  cache = "default",
): Promise<string | undefined> => (await getFull(life, key, { cache })).valueForm?.value.toString();

test(
  "what was acknowledged survives, versions rise, and increments happen once",
  async () => {
    const life = await Life.begin();
    const keys = new Map(
      Array.from({ length: keyCount }, (_, index) => [
        `key ${index}`,
        { acknowledged: 0, begun: 0, version: 0n } as Known,
      ]),
    );
    let isOver = false;
    const working = Promise.all([
      count(life, () => isOver),
      writePairs(life, () => isOver),
      ...[...keys].map(([key, known]) => writeKey(life, key, known, () => isOver)),
    ]);
    working.catch(() => undefined);
    for (let kill = 0; kill < killCount; kill += 1) {
      await sleep(150 + kill * 40);
      await life.killAndStart();
    }
    await sleep(300);
    isOver = true;
    const [counted] = await working;
    expect(counted).toBeGreaterThan(killCount);
    await life.killAndStart();
    expect(await storedValue(life, "counter")).toBe(String(counted));
    expect(await storedValue(life, "left")).toBe(await storedValue(life, "right"));
    for (const [key, { acknowledged, begun, version }] of keys) {
      const { version: stored } = await getFull(life, key);
      const value = Number(await storedValue(life, key));
      expect(value).toBeGreaterThanOrEqual(acknowledged);
      expect(value).toBeLessThanOrEqual(begun);
      expect(stored).toBeGreaterThanOrEqual(version);
    }
    expect(await life.report()).toContain("No contradictions.");
  },
  testMsMax,
);

const logKey = { keyForm: keyForm("log") };
const boardKey = { keyForm: keyForm("board") };

/** Pushes numbers in turn to a list, and gives each a score, both under request ids, until each was answered. */
async function pushNumbers(life: Life, isOver: () => boolean): Promise<number> {
  let pushed = 0;
  while (!isOver()) {
    const values = [textOf(`${pushed} ${"x".repeat(pushed % 7 === 0 ? 2_000 : 10)}`)];
    const push = { ...logKey, end: CollectionEnd.BACK, values, requestId: `push ${pushed}` };
    const member = keyOf(`m${pushed % 50}`);
    const score = { ...boardKey, member, delta: 1, requestId: `score ${pushed}` };
    for (;;) {
      const answers = await Promise.all([
        unlessLost(cacheCall(life, "listPush", push)),
        unlessLost(cacheCall(life, "sortedSetIncrement", score)),
      ]);
      if (!answers.includes(undefined)) break;
      await sleep(20);
    }
    pushed += 1;
  }
  return pushed;
}

/** Takes values from the front of a list that another fills, under request ids; answers with those it took. */
async function moveNumbers(life: Life, isOver: () => boolean): Promise<number> {
  let moved = 0;
  while (!isOver()) {
    await unlessLost(
      cacheCall(life, "listPush", { keyForm: keyForm("from"), values: [textOf("v")] }),
    );
    const move = { source: keyOf("from"), destination: keyOf("to"), requestId: `move ${moved}` };
    let answer: { readonly moved: boolean } | undefined;
    while (answer === undefined) {
      answer = await unlessLost(cacheCall(life, "listMove", move));
      if (answer === undefined) await sleep(20);
    }
    if (answer.moved) moved += 1;
    else await sleep(5);
  }
  return moved;
}

test(
  "what was pushed, scored and moved once is there once, whatever the server was killed in",
  async () => {
    const life = await Life.begin();
    let isOver = false;
    const working = Promise.all([pushNumbers(life, () => isOver), moveNumbers(life, () => isOver)]);
    working.catch(() => undefined);
    for (let kill = 0; kill < killCount; kill += 1) {
      await sleep(150 + kill * 40);
      await life.killAndStart();
    }
    await sleep(300);
    isOver = true;
    const [pushed, moved] = await working;
    expect(pushed).toBeGreaterThan(killCount);
    expect(moved).toBeGreaterThan(0);
    await life.killAndStart();
    const { values } = await cacheCall(life, "listFetch", { ...logKey, limit: 10_000 });
    const numbers = values.map(({ value }) => Number(String(value?.value).split(" ")[0]));
    expect(numbers).toEqual(Array.from({ length: pushed }, (_unused, at) => at));
    const range = { range: { $case: "rank", value: { start: 0n } } } as const;
    const { elements } = await cacheCall(life, "sortedSetFetch", { ...boardKey, range });
    expect(elements.reduce((sum, { score }) => sum + score, 0)).toBe(pushed);
    const to = await cacheCall(life, "listLength", { keyForm: keyForm("to") });
    expect(to.length).toBe(BigInt(moved));
    expect(await life.report()).toContain("No contradictions.");
  },
  testMsMax,
);

test(
  "a cache without durability may lose its last writes to a crash, and no others, and is whole",
  async () => {
    const life = await Life.begin();
    await createCache(life, "fast", { durability: CacheDurability.NONE });
    await Promise.all(
      Array.from({ length: 100 }, (_, index) => set(life, `old ${index}`, "1", { cache: "fast" })),
    );
    // Answered before the disk has it; a second later it has.
    await sleep(1_000);
    const late = Array.from({ length: 200 }, (_, index) =>
      unlessLost(set(life, `late ${index}`, "1", { cache: "fast" })),
    );
    await life.killAndStart();
    await Promise.all(late);
    for (let index = 0; index < 100; index += 1) {
      expect(await storedValue(life, `old ${index}`, "fast")).toBe("1");
    }
    expect(await life.report()).toContain("No contradictions.");
  },
  testMsMax,
);
