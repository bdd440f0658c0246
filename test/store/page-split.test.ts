// LMDB cannot split every page (openldap ITS#9806): one with many short rows in one half and long ones in the other, to which a row
// comes that is neither. What the store writes must never make such a page, because nothing helps once there is one: the same
// write fails each time, and a failed write ends the process.

import fc from "fast-check";
import { expect, test } from "vitest";
import { frameHeaderBytes } from "../../src/store/bytes.js";
import { pageBytes } from "../../src/store/frames.js";
import type { RowChange, Store } from "../../src/store/store.js";
import { runs } from "../support/property.js";
import { temporaryStore } from "../support/temporary-store.js";

const keyLength = 20;
/** What LMDB puts in front of a key and its value. */
const nodeHeaderBytes = 10;
const shortCount = 17;
const longCount = 15;

const keyAt = (place: number): string => `\x82${String(place).padStart(keyLength - 1, "0")}`;

const rowAt = (place: number, payloadBytes: number): RowChange => ({
  key: keyAt(place),
  framed: Buffer.alloc(frameHeaderBytes + payloadBytes, place & 0xff),
  mayReplaceChunks: true,
});

const payloadAt = (store: Store, place: number): number | undefined =>
  store.get(keyAt(place))?.length;

test("a page with its long rows in one half takes a row of any length among them", async () => {
  const shortNode = nodeHeaderBytes + keyLength + frameHeaderBytes + 1;
  const overhead = nodeHeaderBytes + keyLength + frameHeaderBytes;
  // With all of them the page is full but for some bytes.
  const longNode = Math.floor((pageBytes - 32 - shortCount * shortNode) / longCount / 2) * 2;
  for (let payloadBytes = 0; payloadBytes < pageBytes / 8; payloadBytes += 11) {
    const store = temporaryStore();
    const long = Array.from({ length: longCount }, (_, at) => rowAt(at * 10, longNode - overhead));
    const short = Array.from({ length: shortCount }, (_, at) => rowAt(1_000 + at * 10, 0));
    await store.commit([...long, ...short]);
    await store.commit([rowAt(5, payloadBytes)]);
    expect(payloadAt(store, 5)).toBe(payloadBytes);
    await store.close();
  }
});

test("rows of all lengths, in any order, written over and removed", async () => {
  const lengths = fc.oneof(
    fc.constant(0),
    fc.nat({ max: 40 }),
    fc.integer({ min: 300, max: 1_200 }),
    fc.nat({ max: 9_000 }),
  );
  const change = fc.tuple(fc.nat({ max: 400 }), fc.option(lengths, { freq: 4 }));
  const store = temporaryStore();
  const expected = new Map<number, number>();
  await fc.assert(
    fc.asyncProperty(fc.array(change, { minLength: 30, maxLength: 120 }), async (changes) => {
      const last = new Map(changes);
      await store.commit(
        [...last].map(([place, length]) =>
          length === null
            ? { key: keyAt(place), framed: undefined, mayReplaceChunks: true }
            : rowAt(place, length),
        ),
      );
      for (const [place, length] of last) {
        if (length === null) expected.delete(place);
        else expected.set(place, length);
      }
      for (const [place] of last) expect(payloadAt(store, place)).toBe(expected.get(place));
    }),
    runs(150),
  );
  expect([...store.range("\x82", "\x83")].map(({ bytes }) => bytes.length)).toEqual(
    [...expected].sort(([one], [other]) => one - other).map(([, length]) => length),
  );
});
