// How much of the log stays, on both sides of every bound; and that a member trims only so far, in small batches.

import { describe, expect, test } from "vitest";
import { logSeq } from "../../src/base/brands.js";
import { bytesAt, type LogExtent, trimTarget } from "../../src/replication/log-retention.js";
import { RecentRecords } from "../../src/replication/recent-records.js";
import { makeRecord, positionOf } from "../../src/replication/record.js";
import { cut, emptyState, FakeGroup, group as groupOfAll, idOf, put } from "./fake-group.js";

describe("up to where a log may go", () => {
  const limits = { logKeepMs: 100, logKeepBytes: 1_000, logBytesMax: 5_000 };
  const mark = (seq: number, bytes: number, atMs: number) => ({ seq: logSeq(seq), bytes, atMs });
  const extent = (change: Partial<LogExtent> = {}): LogExtent => ({
    marks: [mark(0, 0, 0), mark(10, 1_000, 10), mark(20, 2_000, 20), mark(30, 3_000, 30)],
    endBytes: 3_000,
    nowMs: 1_000,
    appliedSeq: logSeq(30),
    needs: undefined,
    ...change,
  });

  test("as much stays as is to be kept in bytes", () => {
    expect(trimTarget(extent(), limits)).toBe(20);
    expect(trimTarget(extent({ endBytes: 2_999 }), limits)).toBe(10);
  });

  test("as long stays as is to be kept in time", () => {
    expect(trimTarget(extent({ nowMs: 120 }), limits)).toBe(20);
    expect(trimTarget(extent({ nowMs: 119 }), limits)).toBe(10);
  });

  test("what the slowest voter needs stays, up to the bound in bytes", () => {
    const needs = { copies: undefined, voters: logSeq(10) };
    expect(trimTarget(extent({ needs }), limits)).toBe(10);
    expect(trimTarget(extent({ needs, endBytes: 7_001 }), { ...limits, logBytesMax: 5_001 })).toBe(
      20,
    );
    expect(trimTarget(extent({ needs, endBytes: 7_001 }), limits)).toBe(30);
  });

  test("what a copy under way needs stays, whatever its size", () => {
    const needs = { copies: logSeq(15), voters: logSeq(30) };
    expect(trimTarget(extent({ needs }), limits)).toBe(10);
    expect(trimTarget(extent({ needs, endBytes: 100_000 }), limits)).toBe(10);
  });

  test("what is not applied stays, whatever its size", () => {
    expect(trimTarget(extent({ appliedSeq: logSeq(19), endBytes: 100_000 }), limits)).toBe(10);
  });
});

test("what lies before a place is known at marks, and in proportion between them", () => {
  const places = [
    { seq: logSeq(10), bytes: 1_000 },
    { seq: logSeq(20), bytes: 3_000 },
  ];
  expect([5, 10, 15, 20, 25].map((seq) => bytesAt(places, logSeq(seq)))).toEqual([
    1_000, 1_000, 2_000, 3_000, 3_000,
  ]);
});

describe("a member", () => {
  const settings = {
    logKeepMs: 20_000,
    logKeepBytes: 1_000,
    logBytesMax: 1_000_000_000,
    trimCountMax: 7,
  };

  test("lets go of old records a few at a time, and keeps what is to be kept", () => {
    const group = new FakeGroup({ voters: ["a"], settings });
    const a = group.start();
    for (let index = 0; index < 100; index += 1) {
      a.append(`key ${index}`, "x".repeat(100));
      group.advance(1_000);
    }
    const { logBase, logEnd, appliedSeq } = a.disk.state;
    expect(logBase.seq).toBeGreaterThan(50);
    expect(logEnd.seq - logBase.seq).toBeGreaterThanOrEqual(20);
    expect(logBase.seq).toBeLessThanOrEqual(appliedSeq);
    const steps = a.disk.batches.flatMap(({ trimThrough, state }) =>
      trimThrough === undefined ? [] : [state.logBase.seq],
    );
    expect(steps.every((seq, index) => seq - (steps[index - 1] ?? 0) <= 7)).toBe(true);
    expect(a.disk.entries[0]?.seq).toBe(logBase.seq + 1);
    a.restart();
    group.advance(3_000);
    expect(a.role.kind).toBe("leader");
  });

  test("keeps all that a silent voter lacks, and gives it the log and no copy when it is back", () => {
    const group = new FakeGroup({ settings });
    const a = group.start();
    group.delivers = cut("c");
    for (let index = 0; index < 60; index += 1) {
      a.append(`key ${index}`, "x".repeat(100));
      group.advance(1_000);
    }
    expect(a.disk.state.logBase.seq).toBeLessThanOrEqual(1);
    const { logBytes, logEnd, oldestReader } = a.member.status();
    expect(logBytes).toBeGreaterThan(60 * 100);
    expect(oldestReader).toMatchObject({ id: idOf("c"), kind: "member" });
    expect(logEnd.seq - (oldestReader?.seq ?? 0)).toBeGreaterThanOrEqual(60);
    expect(oldestReader?.ageMs).toBeGreaterThan(45_000);
    // The other one does not know of the silent one.
    expect(group.node("b").disk.state.logBase.seq).toBeGreaterThan(1);
    group.delivers = () => true;
    group.advance(1_000);
    expect(group.node("c").disk.content()).toEqual(a.disk.content());
    expect(group.sentOf("offer_snapshot")).toEqual([]);
  });
});

describe("recent records", () => {
  const records = (count: number) => {
    let { logEnd } = emptyState("a", { version: 1, members: [], acks: "quorum" });
    return Array.from({ length: count }, (_, index) => {
      const record = makeRecord(logEnd, {
        groupId: groupOfAll,
        epoch: logEnd.epoch,
        leaderTime: 0 as never,
        configVersion: 1,
        purpose: { kind: "batch" },
        changes: [put("k", `${index}`.padStart(100))],
      });
      logEnd = positionOf(record);
      return record;
    });
  };

  test("drop the oldest beyond their bound, but none that the disk does not have", () => {
    const [first] = records(1);
    const bytes = first?.entry.record.length ?? 0;
    const recent = new RecentRecords(3 * bytes + 20);
    for (const record of records(10)) recent.add(record);
    recent.shrink(logSeq(4));
    expect(recent.firstSeq).toBe(5);
    recent.shrink(logSeq(10));
    expect(recent.firstSeq).toBe(8);
    expect(recent.find(logSeq(7))).toBeUndefined();
    expect(recent.find(logSeq(8))?.entry.seq).toBe(8);
    expect(recent.find(logSeq(10))?.entry.seq).toBe(10);
    expect(recent.find(logSeq(11))).toBeUndefined();
  });

  test("are cut with the log, and go on from there", () => {
    const all = records(10);
    const recent = new RecentRecords(1_000_000);
    for (const record of all) recent.add(record);
    recent.truncate(logSeq(4));
    expect(recent.find(logSeq(5))).toBeUndefined();
    expect(recent.bytesAbove(logSeq(2))).toBe(
      all.slice(2, 4).reduce((sum, { entry }) => sum + entry.record.length, 0),
    );
    const [, , , , fifth] = all;
    if (fifth !== undefined) recent.add(fifth);
    expect(recent.find(logSeq(5))).toBe(fifth);
    recent.truncate(logSeq(0));
    expect(recent.firstSeq).toBeUndefined();
    expect(recent.bytes).toBe(0);
  });
});
