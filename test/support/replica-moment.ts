// Whether what a member has on disk is all of one moment, for stores that were written with `numbered-records.ts`.

import { expect } from "vitest";
import { logSeq } from "../../src/base/brands.js";
import type { MemberState } from "../../src/store/replica-disk.js";
import type { ReplicaStore } from "../../src/store/replica-store.js";
import { rowsAt } from "./numbered-records.js";
import { entryAfter, origin, positionOf } from "./replica-log.js";

/** Expects a store whose log, state and member are of one moment, and that moment. */
export function expectOneMoment({ store, disk }: ReplicaStore): MemberState | undefined {
  const member = disk.load();
  const rows = new Map<string, string>();
  for (const { key, bytes } of store.range("\x82", "\x85")) rows.set(key, bytes.toString("utf8"));
  expect(rows).toEqual(rowsAt(member?.appliedSeq ?? 0));
  // No chunk without its row, and no row without its chunks.
  const scanned = [...store.scan("\x00", "\xff\xff\xff")];
  expect(scanned.filter(({ kind }) => kind === "corrupt")).toEqual([]);
  const chunkCount = scanned.filter(({ kind }) => kind === "chunk").length;
  const chunksOfRows = scanned.map((row) => (row.kind === "row" ? row.chunkCount : 0));
  expect(chunkCount).toBe(chunksOfRows.reduce((sum, count) => sum + count, 0));
  const entries = disk.readLog(logSeq((member?.logBase.seq ?? 0) + 1), 1e9);
  let last = member?.logBase;
  for (const entry of entries) {
    const text = entry.record.toString("utf8");
    expect(text.startsWith(`${entry.seq}/${entry.epoch} `)).toBe(true);
    expect(entry.chain).toEqual(entryAfter(last ?? origin, entry.record).chain);
    expect(entry.seq).toBe((last?.seq ?? 0) + 1);
    last = positionOf(entry);
  }
  expect(last).toEqual(member?.logEnd);
  return member;
}
