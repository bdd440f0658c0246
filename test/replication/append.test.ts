// From a leader to its members and back: what is confirmed, when, and what happens to every message that is lost on the way.

import { describe, expect, test } from "vitest";
import { epoch, epochMs, logSeq } from "../../src/base/brands.js";
import type { AppendMessage } from "../../src/replication/message.js";
import { makeRecord } from "../../src/replication/record.js";
import { cut, FakeGroup, group as groupOfAll } from "./fake-group.js";

const logOf = (group: FakeGroup, name: string) => group.node(name).disk.state.logEnd.seq;

describe("one voter alone", () => {
  test("leads at once, and a record is stored, committed and applied by one write", () => {
    const group = new FakeGroup({ voters: ["a"] });
    const a = group.start();
    expect(a.role).toEqual({ kind: "leader", epoch: 1 });
    const before = a.disk.batches.length;
    const told = a.append("k", "v");
    expect(told).toEqual([]);
    group.settle();
    expect(told).toEqual(["stored", "committed 2", "applied"]);
    expect(a.disk.batches.length).toBe(before + 1);
    expect(a.disk.content()).toEqual({ k: "v" });
  });

  test("takes a record while it is told that the last one is stored", () => {
    const group = new FakeGroup({ voters: ["a"] });
    const a = group.start();
    const told: string[] = [];
    const progressOf = (name: string, then: () => void = () => undefined) => ({
      stored: () => {
        told.push(`${name} stored`);
        then();
      },
      committed: () => told.push(`${name} committed`),
      applied: () => told.push(`${name} applied`),
      failed: () => told.push(`${name} failed`),
    });
    const leadership = a.lead();
    const append = (name: string, then?: () => void) =>
      leadership.append([], epochMs(0), progressOf(name, then));
    append("first", () => append("second"));
    group.settle();
    expect(told).toEqual([
      "first stored",
      "first committed",
      "first applied",
      "second stored",
      "second committed",
      "second applied",
    ]);
  });
});

describe("a leader of three", () => {
  test("commits what one other has on its disk, and tells in order though its own disk is slow", () => {
    const group = new FakeGroup();
    const a = group.start();
    a.disk.isHeld = true;
    const told = a.append("k");
    group.settle();
    // Two of three have it, but nothing is told before this disk has it too.
    expect(a.member.status().commitSeq).toBe(2);
    expect(told).toEqual([]);
    a.disk.isHeld = false;
    group.settle();
    expect(told).toEqual(["stored", "committed 2", "applied"]);
  });

  test("commits nothing that only its own disk has", () => {
    const group = new FakeGroup();
    const a = group.start();
    group.delivers = cut("b", "c");
    const told = a.append("k");
    group.settle();
    expect(told).toEqual(["stored"]);
    group.delivers = () => true;
    group.advance(200);
    expect(told).toEqual(["stored", "committed 2", "applied"]);
  });

  test("commits nothing that a member has received and not stored", () => {
    const group = new FakeGroup();
    const a = group.start();
    group.delivers = cut("c");
    group.node("b").disk.isHeld = true;
    const told = a.append("k");
    group.advance(500);
    expect(told).toEqual(["stored"]);
    // It answers heartbeats meanwhile, so that a slow disk is no silent member.
    expect(group.sentOf("ack", { from: "b" }).at(-1)?.durableSeq).toBe(1);
    group.node("b").disk.isHeld = false;
    group.settle();
    expect(told).toEqual(["stored", "committed 2", "applied"]);
  });

  test("needs every voter's disk with acks of all, and only its own with async", () => {
    const all = new FakeGroup({ acks: "all" });
    all.start();
    all.delivers = cut("c");
    const waiting = all.node("a").append("k");
    all.advance(150);
    expect(waiting).toEqual(["stored"]);
    const async = new FakeGroup({ acks: "async" });
    async.start();
    async.delivers = cut("b", "c");
    const told = async.node("a").append("k");
    async.settle();
    expect(told).toEqual(["stored", "committed 2", "applied"]);
  });

  test("tells its members of the commit with the next heartbeat, and they apply it", () => {
    const group = new FakeGroup();
    const a = group.start();
    a.append("k", "v");
    group.settle();
    expect(group.node("b").disk.content()).toEqual({});
    group.advance(group.settings.heartbeatMs * 2);
    expect(group.node("b").disk.content()).toEqual({ k: "v" });
    expect(group.node("c").disk.content()).toEqual({ k: "v" });
  });

  test("writes what the last record changes in the batch that stores the next", () => {
    const group = new FakeGroup();
    const a = group.start();
    a.disk.isHeld = true;
    a.append("first");
    group.settle();
    a.disk.isHeld = false;
    const before = a.disk.batches.length;
    group.settle();
    a.append("second");
    group.settle();
    const batches = a.disk.batches.slice(before);
    expect(batches.map(({ append, apply }) => [append?.length ?? 0, apply?.length ?? 0])).toEqual([
      [1, 0],
      [0, 1],
      [1, 0],
      [0, 1],
    ]);
  });

  test("streams what does not fit the window only as answers come", () => {
    const group = new FakeGroup({ settings: { windowBytesMax: 1_000, sliceBytesMax: 200 } });
    const a = group.start();
    group.delivers = ({ message }) => message.kind !== "ack";
    for (let index = 0; index < 50; index += 1) {
      a.append(`key ${index}`, "x".repeat(100));
      group.settle();
    }
    const onTheWay = group
      .sentOf("append", { to: "b" })
      .flatMap(({ entries }) => entries)
      .reduce((sum, { record }) => sum + record.length, 0);
    expect(onTheWay).toBeLessThan(1_600);
    group.delivers = () => true;
    group.advance(1_000);
    expect(logOf(group, "b")).toBe(51);
  });

  test("sends nothing on a way that is not ready, and everything once it is", () => {
    const group = new FakeGroup();
    const a = group.start();
    group.isReady = (_from, to) => to !== group.node("b").disk.state.memberId;
    const before = group.sentOf("append", { to: "b" }).length;
    a.append("k");
    group.advance(600);
    expect(group.sentOf("append", { to: "b" }).length).toBe(before);
    group.isReady = () => true;
    a.member.networkReady(group.node("b").disk.state.memberId);
    group.settle();
    expect(logOf(group, "b")).toBe(2);
  });
});

describe("a message that is lost", () => {
  const lossy = (kind: string, to: string) => {
    const group = new FakeGroup();
    const a = group.start();
    let lost = 0;
    group.delivers = (letter) => {
      const isIt = letter.message.kind === kind && letter.to === to && lost === 0;
      if (isIt) lost += 1;
      return !isIt;
    };
    return { group, a };
  };

  test("Append: the answer to the next heartbeat asks for it again", () => {
    const { group, a } = lossy("append", "b");
    a.append("k");
    group.settle();
    expect(logOf(group, "b")).toBe(1);
    group.advance(group.settings.heartbeatMs);
    expect(group.sentOf("nack", { from: "b" })).toHaveLength(1);
    expect(logOf(group, "b")).toBe(2);
  });

  test("Append, with another one behind it: both are sent again, once", () => {
    const { group, a } = lossy("append", "b");
    a.append("first");
    group.settle();
    a.append("second");
    a.append("third");
    group.settle();
    expect(logOf(group, "b")).toBe(4);
    expect(group.sentOf("nack", { from: "b" }).length).toBeGreaterThan(1);
    const resent = group
      .sentOf("append", { to: "b" })
      .filter(({ entries, prevSeq }) => entries.length > 0 && prevSeq === 1);
    expect(resent).toHaveLength(2);
  });

  test("Ack: the next one says it again", () => {
    const { group, a } = lossy("ack", "a");
    group.node("c").stop();
    const told = a.append("k");
    group.settle();
    expect(told).toEqual(["stored"]);
    group.advance(group.settings.heartbeatMs);
    expect(told).toEqual(["stored", "committed 2", "applied"]);
  });

  test("Nack: the next heartbeat is complained about again", () => {
    const group = new FakeGroup();
    const a = group.start();
    const lost = new Set<string>();
    group.delivers = ({ message, to, from }) => {
      const isFirst =
        (message.kind === "append" && to === "b") || (message.kind === "nack" && from === "b");
      if (!isFirst || lost.has(message.kind)) return true;
      lost.add(message.kind);
      return false;
    };
    a.append("k");
    group.advance(group.settings.heartbeatMs);
    expect([...lost]).toEqual(["append", "nack"]);
    expect(logOf(group, "b")).toBe(1);
    group.advance(group.settings.heartbeatMs * 2);
    expect(logOf(group, "b")).toBe(2);
  });
});

describe("a member that follows", () => {
  /** A group whose leader wrote three records, and the Appends that b received. */
  const follower = () => {
    const group = new FakeGroup();
    const a = group.start();
    for (const key of ["x", "y", "z"]) {
      a.append(key);
      group.settle();
    }
    group.advance(300);
    const withRecords = group
      .sentOf("append", { to: "b" })
      .filter(({ entries }) => entries.length > 0);
    return { group, b: group.node("b"), appends: withRecords };
  };

  test("takes a record that comes twice, or late, as what it has already", () => {
    const { group, b, appends } = follower();
    const { entries } = b.disk;
    const before = [...entries];
    for (const message of [...appends].reverse()) b.hear("a", message);
    group.settle();
    expect(b.disk.entries).toEqual(before);
    expect(group.sentOf("nack", { from: "b" })).toEqual([]);
    // What it confirms is how far the logs agree, not only the record that came again.
    expect(group.sentOf("ack", { from: "b" }).at(-1)?.durableSeq).toBe(4);
  });

  test("drops a record that was spoilt, and asks for it again", () => {
    const group = new FakeGroup();
    group.start();
    const [last] = group.sentOf("append", { to: "b" }).slice(-1);
    const made = new FakeGroup();
    made.start().append("k");
    made.settle();
    const record = made.sentOf("append", { to: "b" }).at(-1)?.entries[0];
    if (record === undefined || last === undefined) throw new Error("There is no record.");
    const spoilt = Buffer.from(record.record);
    spoilt[30] = (spoilt[30] ?? 0) ^ 1;
    const message: AppendMessage = { ...last, entries: [{ ...record, record: spoilt }] };
    group.node("b").hear("a", message);
    group.settle();
    expect(logOf(group, "b")).toBe(1);
    expect(group.sentOf("nack", { from: "b" })).toHaveLength(1);
    expect(group.node("b").role.kind).toBe("follower");
  });

  test("E2 refuses what is of an earlier epoch, and says which it has promised", () => {
    const { group, b, appends } = follower();
    b.hear("c", { kind: "hello", epoch: epoch(5) });
    group.settle();
    const [append] = appends;
    if (append === undefined) throw new Error("There is no Append.");
    b.hear("a", append);
    b.hear("a", { kind: "hello", epoch: epoch(4) });
    b.hear("a", { kind: "fetch_log", epoch: epoch(4), fromSeq: logSeq(1) });
    group.settle();
    expect(group.sentOf("refusal", { from: "b" }).slice(0, 3)).toEqual([
      { kind: "refusal", epoch: 1, promisedEpoch: 5 },
      { kind: "refusal", epoch: 4, promisedEpoch: 5 },
      { kind: "refusal", epoch: 4, promisedEpoch: 5 },
    ]);
    expect(group.sentOf("log_slice", { from: "b" })).toEqual([]);
  });

  test("E2 gives its promise when it is on disk, and refuses the old epoch at once", () => {
    const { group, b } = follower();
    b.disk.isHeld = true;
    b.hear("c", { kind: "hello", epoch: epoch(5) });
    group.settle();
    expect(group.sentOf("hello_ack", { to: "c" })).toEqual([]);
    group.advance(group.settings.heartbeatMs);
    expect(group.sentOf("refusal", { from: "b", to: "a" }).length).toBeGreaterThan(0);
    b.disk.isHeld = false;
    group.settle();
    const promises = group.sentOf("hello_ack", { from: "b", to: "c" });
    expect(promises.filter((promise) => promise.epoch === 5)).toMatchObject([
      { position: { promisedEpoch: 5, lastEpoch: 1, lastSeq: 4 } },
    ]);
    expect(b.disk.state.promisedEpoch).toBe(5);
  });

  test("E2 confirms nothing to the old leader once it has promised a new one", () => {
    const group = new FakeGroup();
    const a = group.start();
    const b = group.node("b");
    group.delivers = cut("c");
    b.disk.isHeld = true;
    const told = a.append("k");
    group.settle();
    b.hear("c", { kind: "hello", epoch: epoch(2) });
    b.disk.isHeld = false;
    group.settle();
    // The record is on b's disk all the same, and the new leader is told so.
    expect(told).not.toContain("committed 2");
    expect(logOf(group, "b")).toBe(2);
    expect(group.sentOf("hello_ack", { from: "b" }).at(-1)?.position.lastSeq).toBe(2);
  });

  test("confirms no record where another one still stands on its disk", () => {
    const group = new FakeGroup();
    const a = group.start();
    const b = group.node("b");
    group.delivers = cut("c");
    a.disk.isHeld = true;
    a.append("of the old leader");
    group.settle();
    expect(b.disk.entries).toHaveLength(2);
    const [first] = b.disk.entries;
    if (first === undefined) throw new Error("There is no record.");
    const { entry } = makeRecord(first, {
      groupId: groupOfAll,
      epoch: epoch(2),
      leaderTime: epochMs(0),
      configVersion: 1,
      purpose: { kind: "epoch_start", configuration: group.etcd.configuration },
      changes: [],
    });
    const append: AppendMessage = {
      kind: "append",
      epoch: epoch(2),
      prevSeq: first.seq,
      prevEpoch: first.epoch,
      prevChain: first.chain,
      entries: [entry],
      commitSeq: logSeq(0),
      leaderTime: epochMs(0),
      sentAt: 0,
      round: 1,
      memberSentAt: 0,
    };
    b.hear("c", { kind: "hello", epoch: epoch(2) });
    group.settle();
    b.disk.isHeld = true;
    b.hear("c", append);
    // The same again, and a heartbeat: both have to be answered, and the disk has not cut anything yet.
    b.hear("c", { ...append, round: 2 });
    b.hear("c", { ...append, entries: [], round: 3 });
    group.settle();
    const acks = () => group.sentOf("ack", { from: "b", to: "c" });
    expect(acks().length).toBeGreaterThan(0);
    expect(acks().every(({ durableSeq }) => durableSeq === 1)).toBe(true);
    b.disk.isHeld = false;
    group.settle();
    expect(acks().at(-1)?.durableSeq).toBe(2);
    expect(b.disk.entries.map(({ epoch: each }) => each)).toEqual([1, 2]);
  });

  test("E2 promises one epoch to one member only", () => {
    const { group, b } = follower();
    b.hear("c", { kind: "hello", epoch: epoch(5) });
    group.settle();
    b.hear("a", { kind: "hello", epoch: epoch(5) });
    group.settle();
    expect(group.sentOf("hello_ack", { from: "b", to: "c" })).toHaveLength(1);
    expect(group.sentOf("hello_ack", { from: "b", to: "a" })).toHaveLength(1); // epoch 1, before
    expect(group.sentOf("refusal", { from: "b", to: "a" })).toEqual([
      { kind: "refusal", epoch: 5, promisedEpoch: 5 },
    ]);
  });

  test("remembers its promise and its log when it starts again", () => {
    const { group, b } = follower();
    b.hear("c", { kind: "hello", epoch: epoch(5) });
    group.settle();
    b.restart();
    expect(b.member.status()).toMatchObject({ promisedEpoch: 5, logEnd: { seq: 4, epoch: 1 } });
    b.hear("a", { kind: "hello", epoch: epoch(4) });
    expect(group.sentOf("refusal", { from: "b", to: "a" }).at(-1)?.promisedEpoch).toBe(5);
  });
});

describe("a disk", () => {
  test("that went back to an older copy of itself is brought up to date, without a storm", () => {
    const group = new FakeGroup();
    const a = group.start();
    const b = group.node("b");
    a.append("first");
    group.advance(500);
    const { state, entries, rows } = b.disk;
    const older = { state, entries: [...entries], rows: new Map(rows) };
    a.append("second");
    group.advance(500);
    b.stop();
    Object.assign(b.disk, older);
    b.restart();
    const before = group.sent.length;
    group.advance(1_000);
    expect(b.disk.content()).toEqual({ first: "first", second: "second" });
    expect(group.sent.length - before).toBeLessThan(60);
    expect(a.member.status().followers.map(({ durableSeq }) => durableSeq)).toEqual([3, 3]);
  });

  test("that has no room is asked again until it has", () => {
    const group = new FakeGroup();
    const a = group.start();
    group.node("b").disk.nextOutcome = { kind: "full" };
    group.delivers = cut("c");
    const told = a.append("k");
    group.settle();
    expect(told).toEqual(["stored"]);
    group.advance(group.settings.backoffMinMs);
    expect(told).toEqual(["stored", "committed 2", "applied"]);
  });

  test("that failed ends the process, and nothing is said after it", () => {
    const group = new FakeGroup();
    const a = group.start();
    const b = group.node("b");
    b.disk.nextOutcome = { kind: "failed", error: new Error("input/output error") };
    a.append("k");
    group.settle();
    expect(b.failures.map(({ message }) => message)).toEqual(["input/output error"]);
    const before = group.sent.filter(({ from }) => from === "b").length;
    group.advance(1_000);
    expect(group.sent.filter(({ from }) => from === "b").length).toBe(before);
  });
});

describe("how old a follower's state may be", () => {
  test("is bounded by the time since it last spoke to a leader that then told of a commit it has applied", () => {
    const group = new FakeGroup();
    group.start();
    group.advance(1_000);
    const b = group.node("b").member;
    expect(b.status().stalenessMs).toBeLessThanOrEqual(2 * group.settings.heartbeatMs);
    group.delivers = cut("b");
    group.advance(700);
    const bound = b.status().stalenessMs ?? 0;
    expect(bound).toBeGreaterThanOrEqual(700);
    expect(bound).toBeLessThanOrEqual(700 + 2 * group.settings.heartbeatMs);
  });

  test("counts a suspension that only the wall clock saw", () => {
    const group = new FakeGroup();
    group.start();
    group.advance(1_000);
    const b = group.node("b");
    b.wallOffsetMs = 60_000;
    expect(b.member.status().stalenessMs).toBeGreaterThanOrEqual(60_000);
  });

  test("is unknown before it heard from a leader, and from one whose lease is not proven", () => {
    const group = new FakeGroup();
    for (const node of group.nodes.values()) node.isLeaseProven = false;
    group.start();
    group.advance(1_000);
    expect(group.node("b").member.status().stalenessMs).toBeUndefined();
    expect(group.node("a").member.status().stalenessMs).toBe(0);
  });
});
