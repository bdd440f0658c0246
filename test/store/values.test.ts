// What is read is what was written, however large, or it is not served at all: values of more than a page come in chunks, and
// a bit that changes on the disk is found by the checksum of its value.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { RecordCorrupt } from "../../src/base/record-corrupt.js";
import { frameHeaderBytes } from "../../src/store/bytes.js";
import { checkStore } from "../../src/store/check.js";
import type { Store } from "../../src/store/store.js";
import { EngineHarness } from "../support/engine-harness.js";
import { runs } from "../support/property.js";
import { openTestStore, temporaryDirectory, temporaryStore } from "../support/temporary-store.js";

const key = "\x82a key";

async function put(store: Store, payload: Buffer): Promise<void> {
  const framed = Buffer.concat([Buffer.alloc(frameHeaderBytes), payload]);
  await store.commit([{ key, framed, mayReplaceChunks: true }]);
}

async function remove(store: Store): Promise<void> {
  await store.commit([{ key, framed: undefined, mayReplaceChunks: true }]);
}

const valueCount = (store: Store): number => [...store.scan("\x00", "\xff\xff")].length;

/** Bytes that differ everywhere, so that no chunk can stand for another. */
const payloadOf = (length: number, salt = 1): Buffer =>
  Buffer.from(Array.from({ length }, (_, at) => (at * 31 + (at >> 8) * 17 + salt) & 0xff));

describe("chunks", () => {
  test.each([
    0, 1, 3_694, 3_695, 3_696, 3_700, 7_383, 7_384, 7_385, 100_000, 1_048_576, 1_100_000, 4_194_304,
  ])("a value of %i bytes reads back, alone and in a range", async (length) => {
    const store = temporaryStore();
    const payload = payloadOf(length);
    await put(store, payload);
    expect(store.get(key)?.equals(payload)).toBe(true);
    const [row, ...others] = [...store.range("\x82", "\x83")];
    expect(row?.bytes.equals(payload)).toBe(true);
    expect(others).toEqual([]);
  });

  test("a value written over another, larger or smaller, leaves no chunk of it, and removed leaves none at all", async () => {
    const store = temporaryStore();
    const chunked = fc.oneof(fc.nat({ max: 40_000 }), fc.constantFrom(3_695, 3_696, 7_384, 7_385));
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.option(chunked), { minLength: 2, maxLength: 8 }),
        async (lengths) => {
          for (const [index, length] of lengths.entries()) {
            if (length === null) await remove(store);
            else await put(store, payloadOf(length, index));
            const stored = store.get(key);
            if (length === null) expect(stored).toBeUndefined();
            else expect(stored?.equals(payloadOf(length, index))).toBe(true);
            // The first takes 3,689 bytes beside its header, the others 3,695.
            const expected =
              length === null ? 0 : length <= 3_695 ? 1 : 1 + Math.ceil((length - 3_689) / 3_695);
            expect(valueCount(store)).toBe(expected);
          }
        },
      ),
      runs(40),
    );
  });

  test("bytes handed out stay as they are when the store goes on", async () => {
    const store = temporaryStore();
    await put(store, payloadOf(300));
    const alone = store.get(key);
    const [row] = [...store.range("\x82", "\x83")];
    for (let salt = 2; salt < 20; salt += 1) await put(store, payloadOf(300, salt));
    for (const _ of store.range("\x82", "\x83")) store.get(key);
    expect(alone?.equals(payloadOf(300))).toBe(true);
    expect(row?.bytes.equals(payloadOf(300))).toBe(true);
  });
});

/** Finds every copy of `needle` in the data file and lets `change` alter the bytes around it. */
function changeAround(
  directory: string,
  needle: Buffer,
  change: (file: Buffer, at: number) => void,
): number {
  const path = join(directory, "data.mdb");
  const file = readFileSync(path);
  let count = 0;
  for (let at = file.indexOf(needle); at !== -1; at = file.indexOf(needle, at + needle.length)) {
    change(file, at);
    count += 1;
  }
  writeFileSync(path, file);
  return count;
}

const bodyOf = (at: number): string =>
  `<body ${String(at).padStart(5, "0")}>${"x".repeat(40)}</body>`;
const messageCount = 30;

/** A stopped store of messages that can be told apart in the file. */
async function stoppedStore(): Promise<string> {
  const directory = temporaryDirectory();
  const harness = await EngineHarness.start({ store: openTestStore(directory) });
  await harness.createQueue("orders");
  for (let at = 0; at < messageCount; at += 1) await harness.send("orders", bodyOf(at));
  await harness.stop();
  return directory;
}

// A message row in front of its body: header, version, flags, time, size, id, MD5 and the body's length.
const beforeBodyBytes = frameHeaderBytes + 1 + 1 + 8 + 4 + 16 + 16 + 4;

describe("bits that change on the disk", () => {
  test("a changed bit anywhere in a value is found, and the message is neither served nor mistaken for another", async () => {
    const original = await stoppedStore();
    const image = readFileSync(join(original, "data.mdb"));
    const bit = fc.record({
      message: fc.nat({ max: messageCount - 1 }),
      // From the kind byte through checksum and row to the sender behind the body.
      offset: fc.integer({ min: -beforeBodyBytes, max: bodyOf(0).length + 10 }),
      bit: fc.nat({ max: 7 }),
    });
    await fc.assert(
      fc.asyncProperty(bit, async ({ message, offset, bit: index }) => {
        const directory = temporaryDirectory();
        writeFileSync(join(directory, "data.mdb"), image);
        const copies = changeAround(directory, Buffer.from(bodyOf(message)), (file, at) => {
          file[at + offset] = (file[at + offset] ?? 0) ^ (1 << index);
        });
        expect(copies).toBeGreaterThan(0);
        const harness = await EngineHarness.start({ store: openTestStore(directory) });
        const report = await checkStore(harness.store);
        expect(report.contradictions).toEqual([
          {
            row: `queue default/orders, message ${message + 1}`,
            sentence: "The message row cannot be read: its checksum does not match.",
          },
        ]);
        const bodies: string[] = [];
        for (
          let got = await harness.receiveAll("orders");
          got.length > 0;
          got = await harness.receiveAll("orders")
        ) {
          bodies.push(...got.map(({ body }) => body));
        }
        const others = Array.from({ length: messageCount }, (_, at) => at).filter(
          (at) => at !== message,
        );
        expect(bodies).toEqual(others.map(bodyOf));
        expect(harness.corruptRowsPassed.length).toBeGreaterThan(0);
        await harness.stop();
      }),
      runs(25),
    );
  }, 60_000);

  test("a changed bit in any chunk of a large message is found", async () => {
    const directory = temporaryDirectory();
    const harness = await EngineHarness.start({ store: openTestStore(directory) });
    await harness.createQueue("orders");
    const marked = Array.from({ length: 40 }, (_, at) => `mark ${at} ${"y".repeat(990)}`).join("");
    await harness.send("orders", marked);
    await harness.stop();
    const image = readFileSync(join(directory, "data.mdb"));
    for (const mark of [0, 9, 20, 39]) {
      writeFileSync(join(directory, "data.mdb"), image);
      changeAround(directory, Buffer.from(`mark ${mark} y`), (file, at) => {
        file[at] = 0x4d;
      });
      const store = openTestStore(directory, { isReadOnly: true });
      const report = await checkStore(store);
      expect(report.contradictions[0]).toMatchObject({
        row: "queue default/orders, message 1",
        sentence: /cannot be read/,
      });
      await store.close();
    }
  });

  test("a value that stands at another's key is refused, although its own checksum is right", async () => {
    const store = temporaryStore();
    await put(store, payloadOf(100));
    const directory = temporaryDirectory();
    const other = openTestStore(directory);
    await other.commit([
      {
        key: "\x82b key",
        framed: Buffer.concat([Buffer.alloc(frameHeaderBytes), payloadOf(100)]),
        mayReplaceChunks: false,
      },
    ]);
    await other.close();
    // The key stands in front of the value in the page; only its letter changes.
    changeAround(directory, Buffer.from("b key"), (file, at) => {
      file[at] = 0x61;
    });
    const reopened = openTestStore(directory);
    expect(() => reopened.get(key)).toThrow(RecordCorrupt);
    expect(() => [...reopened.range("\x82", "\x83")]).toThrow(RecordCorrupt);
    await reopened.close();
  });

  test("a queue whose own row is corrupt is not served and not made anew over its messages", async () => {
    const directory = await stoppedStore();
    // Its key in the page, and behind it the value: the byte after the header is the version.
    changeAround(directory, Buffer.from("\x80default\x00orders", "latin1"), (file, at) => {
      file[at + 15 + frameHeaderBytes + 3] = (file[at + 15 + frameHeaderBytes + 3] ?? 0) ^ 4;
    });
    const harness = await EngineHarness.start({ store: openTestStore(directory) });
    await expect(harness.receive("orders")).rejects.toThrow(RecordCorrupt);
    await expect(harness.send("orders", "more")).rejects.toThrow(RecordCorrupt);
    await expect(harness.createQueue("orders")).rejects.toThrow(RecordCorrupt);
    expect(harness.failures).toEqual([]);
    const report = await checkStore(harness.store);
    expect(report.contradictions[0]).toEqual({
      row: "queue default/orders",
      sentence: "The queue row cannot be read: its checksum does not match.",
    });
    await harness.stop();
  });
});
