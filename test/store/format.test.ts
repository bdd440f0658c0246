// What is not this program's store, or a newer program's, is refused with a sentence that says what to do, and not a byte of
// it is changed.

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { open } from "lmdb";
import { describe, expect, test } from "vitest";
import { pageBytes } from "../../src/store/frames.js";
import { EngineHarness } from "../support/engine-harness.js";
import { openTestStore, temporaryDirectory } from "../support/temporary-store.js";

const dataOf = (directory: string): string => join(directory, "data.mdb");
const hashOf = (path: string): string =>
  createHash("sha256").update(readFileSync(path)).digest("hex");

/** Opens the directory, expects a refusal, and that the data file is what it was. */
function expectRefused(directory: string, sentence: RegExp): void {
  for (const isReadOnly of [false, true]) {
    const before = hashOf(dataOf(directory));
    let refusal: unknown;
    try {
      openTestStore(directory, { isReadOnly });
    } catch (error) {
      refusal = error;
    }
    expect(refusal).toMatchObject({ name: "StoreRefused" });
    expect((refusal as Error).message).toMatch(sentence);
    expect(hashOf(dataOf(directory))).toBe(before);
  }
}

/** A store with one message, then whatever `change` does to its databases. */
async function changedStore(
  change: (meta: {
    get(key: Buffer): Buffer | undefined;
    putSync(key: Buffer, value: Buffer): unknown;
    removeSync(key: Buffer): unknown;
  }) => void,
): Promise<string> {
  const directory = temporaryDirectory();
  const harness = await EngineHarness.start({ store: openTestStore(directory) });
  await harness.createQueue("orders");
  await harness.stop();
  const root = open({
    path: directory,
    pageSize: pageBytes,
    encoding: "binary",
    keyEncoding: "binary",
    maxDbs: 8,
  });
  change(root.openDB<Buffer, Buffer>({ name: "meta", encoding: "binary", keyEncoding: "binary" }));
  await root.close();
  return directory;
}

const stamp = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
const formatKey = Buffer.from("format");

describe("stamps", () => {
  test("a new store says which format it has and who may read it", async () => {
    let found: unknown;
    await changedStore((meta) => {
      found = JSON.parse(meta.get(formatKey)?.toString("utf8") ?? "");
    });
    expect(found).toEqual({ magic: "forebay", version: 3, minReader: 3 });
  });

  test.each([
    [2, 2],
    [1, 1],
    [1, 2],
    [0, 0],
  ])(
    "a store of format %i, for readers from %i on, is from before the first release and refused",
    async (version, minReader) => {
      const directory = await changedStore((meta) =>
        meta.putSync(formatKey, stamp({ magic: "forebay", version, minReader })),
      );
      expectRefused(
        directory,
        new RegExp(
          `before the first release \\(format ${version}, this program reads 3\\), and it is left untouched\\. ` +
            "Empty its queues with the older program",
        ),
      );
    },
  );

  test("a store that a newer program wrote for newer readers only is refused", async () => {
    const directory = await changedStore((meta) =>
      meta.putSync(formatKey, stamp({ magic: "forebay", version: 7, minReader: 4 })),
    );
    expectRefused(directory, /written by a newer Forebay \(format 7, this program reads up to 3\)/);
  });

  test.each([3, 1])(
    "a store that a newer program wrote so that readers from %i on can read it is opened",
    async (minReader) => {
      const directory = await changedStore((meta) =>
        meta.putSync(formatKey, stamp({ magic: "forebay", version: 7, minReader })),
      );
      const harness = await EngineHarness.start({ store: openTestStore(directory) });
      expect(await harness.report("orders")).toBeDefined();
      await harness.stop();
    },
  );

  test.each([
    ["of another program", stamp({ magic: "afterbay", version: 2, minReader: 2 })],
    ["without a reader's version", stamp({ magic: "forebay", version: 2 })],
    ["without a version of its own", stamp({ magic: "forebay", minReader: 2 })],
    ["that is no JSON", Buffer.from("\x00\x01")],
    ["that is JSON and no stamp", Buffer.from("null")],
  ])("a stamp %s is refused", async (_title, bytes) => {
    const directory = await changedStore((meta) => meta.putSync(formatKey, bytes));
    expectRefused(directory, /does not carry Forebay's stamp/);
  });

  test("a store that has lost its secret is refused, since every receipt handle would be void", async () => {
    const directory = await changedStore((meta) => meta.removeSync(Buffer.from("secret")));
    expectRefused(directory, /has no secret/);
  });
});

describe("strangers", () => {
  test.each([
    ["text", Buffer.from("id,amount\n1,2\n".repeat(100))],
    ["nothing but zeros", Buffer.alloc(65_536)],
    ["a few bytes", Buffer.from("abc")],
  ])("a data.mdb of %s is refused", (_title, bytes) => {
    const directory = temporaryDirectory();
    writeFileSync(dataOf(directory), bytes);
    expectRefused(directory, /is not a Forebay store, and it is left untouched/);
  });

  test.each([
    ["with named databases", { pageSize: 4_096, name: "users" }],
    ["with named databases and pages of our size", { pageSize: pageBytes, name: "users" }],
    ["with everything in its root", { pageSize: 4_096, name: undefined }],
    ["with a database that is called as one of ours", { pageSize: pageBytes, name: "meta" }],
  ])("another program's LMDB store %s is refused", async (_title, { pageSize, name }) => {
    const directory = temporaryDirectory();
    const root = open({ path: directory, pageSize, maxDbs: 8, noSubdir: false });
    const database = name === undefined ? root : root.openDB({ name });
    await database.put("key", "value");
    await root.close();
    expectRefused(directory, /belongs to another program|cannot be opened/);
    const again = open({ path: directory, maxDbs: 8, noSubdir: false, readOnly: true });
    expect((name === undefined ? again : again.openDB({ name })).get("key")).toBe("value");
    await again.close();
  });

  test("reading where there is no store refuses, and makes none", () => {
    const directory = join(temporaryDirectory(), "nowhere");
    expect(() => openTestStore(directory, { isReadOnly: true })).toThrow(
      /There is no Forebay store in/,
    );
    expect(existsSync(directory)).toBe(false);
    mkdirSync(directory);
    expect(() => openTestStore(directory, { isReadOnly: true })).toThrow(
      /There is no Forebay store in/,
    );
    expect(readdirSync(directory)).toEqual([]);
  });

  test("an empty data file, as a crash before the first write leaves it, becomes a new store", async () => {
    const directory = temporaryDirectory();
    writeFileSync(dataOf(directory), Buffer.alloc(0));
    const harness = await EngineHarness.start({ store: openTestStore(directory) });
    expect(await harness.createQueue("orders")).toMatchObject({ kind: "accepted" });
    await harness.stop();
  });
});

test("the secret is made once and stays", async () => {
  const directory = temporaryDirectory();
  const first = openTestStore(directory);
  const { secret } = first;
  await first.close();
  const second = openTestStore(directory);
  expect(second.secret).toEqual(secret);
  expect(second.secret).toEqual(Buffer.alloc(32, 3));
  await second.close();
});
