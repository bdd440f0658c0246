// Who leads next, and with which log: promises first, then the most advanced log among them, then the first record of the epoch.

import { describe, expect, test } from "vitest";
import { epoch, logSeq } from "../../src/base/brands.js";
import { OperatorFault } from "../../src/base/operator-fault.js";
import { medianOf } from "../../src/replication/election.js";
import { cut, FakeGroup, idOf, type Letter } from "./fake-group.js";

/** The leader a wrote `first` to all, then `second` to b alone, and died. */
const afterDeath = (settings = {}) => {
  const group = new FakeGroup({ settings });
  const a = group.start();
  a.append("first");
  group.advance(300);
  group.delivers = cut("c");
  const told = a.append("second");
  group.settle();
  expect(told).toContain("committed 3");
  a.stop();
  group.nodes.delete("a");
  group.delivers = () => true;
  return group;
};

const contents = (group: FakeGroup) =>
  [...group.nodes.values()].map(({ disk }) => Object.keys(disk.content()));

describe("a takeover", () => {
  test("adopts what the most advanced of its promisers has, and loses nothing that was confirmed", () => {
    const group = afterDeath();
    // The one that lacks the second record campaigns alone.
    group.whileLed(() => group.node("b").member.coordinatorChanged(group.etcd.view()));
    group.etcd.leader = undefined;
    group.etcd.hint = idOf("c");
    group.node("c").member.coordinatorChanged(group.etcd.view());
    group.settle();
    group.advance(1_000);
    expect(group.node("c").role).toEqual({ kind: "leader", epoch: 2 });
    expect(contents(group)).toEqual([
      ["first", "second"],
      ["first", "second"],
    ]);
  });

  test("asks again for a part of the log that did not come", () => {
    const group = afterDeath();
    let lost = 0;
    group.delivers = ({ message }) => {
      if (message.kind !== "log_slice" || lost === 2) return true;
      lost += 1;
      return false;
    };
    group.etcd.hint = idOf("c");
    group.etcd.leader = undefined;
    group.node("c").member.coordinatorChanged(group.etcd.view());
    group.advance(1_000);
    expect(lost).toBe(2);
    expect(group.node("c").role.kind).toBe("leader");
    expect(contents(group)[1]).toEqual(["first", "second"]);
  });

  test("gives up when the log it needs is gone, in favour of who has it", () => {
    const group = afterDeath();
    const replaceSlice = ({ message, to }: Letter): boolean => {
      if (message.kind !== "log_slice") return true;
      group.later(() => group.node(to).hear("b", { ...message, entries: [] }));
      return false;
    };
    group.delivers = replaceSlice;
    group.etcd.hint = idOf("c");
    group.etcd.leader = undefined;
    group.node("c").member.coordinatorChanged(group.etcd.view());
    group.settle();
    expect(group.node("c").role.kind).toBe("follower");
    expect(group.etcd.hints).toEqual([idOf("b")]);
    group.advance(3_000);
    expect(group.node("b").role.kind).toBe("leader");
  });

  test("does not begin with one promise of three, and backs off before its lease ends", () => {
    const group = new FakeGroup();
    group.node("a").leaseDeadlineMs = group.nowMs + 4_000;
    group.delivers = ({ message }) => message.kind !== "hello_ack";
    group.start();
    expect(group.node("a").role).toEqual({ kind: "candidate", epoch: 1 });
    expect(group.node("a").disk.state.promisedEpoch).toBe(1);
    group.advance(2_900);
    expect(group.node("a").role.kind).toBe("candidate");
    // It asked all of them again, once a heartbeat.
    expect(group.sentOf("hello", { to: "b" }).length).toBeGreaterThan(10);
    group.advance(200);
    expect(group.sentOf("append")).toEqual([]);
    expect(group.etcd.hints).toEqual([undefined]);
    expect(
      group
        .node("a")
        .told.map(({ kind }) => kind)
        .slice(0, 3),
    ).toEqual(["follower", "candidate", "follower"]);
  });

  test("counts its own promise when that is on disk, not before", () => {
    const group = new FakeGroup();
    group.node("a").disk.isHeld = true;
    group.start();
    expect(group.sentOf("hello_ack", { to: "a" })).toHaveLength(2);
    expect(group.sentOf("append")).toEqual([]);
    group.node("a").disk.isHeld = false;
    group.settle();
    expect(group.node("a").role.kind).toBe("leader");
  });

  test("uses the configuration that the coordinator had when the epoch was minted", () => {
    const group = new FakeGroup();
    const first = group.etcd.configuration;
    group.etcd.configuration = { ...first, version: 2, acks: "all" };
    const a = group.start();
    expect(a.member.status().configuration).toMatchObject({ version: 2, acks: "all" });
    expect(group.node("b").disk.state.configuration).toMatchObject({ version: 2, acks: "all" });
  });

  test("writes nothing before the coordinator has confirmed that no configuration is missed", () => {
    const group = new FakeGroup();
    group.delivers = ({ message }) => {
      if (message.kind === "hello") group.etcd.isAway = true;
      return true;
    };
    const a = group.start();
    group.advance(500);
    expect(group.sentOf("hello_ack", { to: "a" }).length).toBeGreaterThanOrEqual(2);
    expect(group.sentOf("append")).toEqual([]);
    group.delivers = () => true;
    group.etcd.isAway = false;
    group.advance(500);
    expect(a.role.kind).toBe("leader");
  });

  test("is told of only once the first record of the epoch is committed and applied", () => {
    const group = new FakeGroup();
    group.delivers = ({ message }) => message.kind !== "ack";
    const a = group.start();
    expect(group.sentOf("append", { to: "b" }).length).toBeGreaterThan(0);
    expect(a.role.kind).toBe("candidate");
    expect(a.member.leadership()).toBeUndefined();
    group.delivers = () => true;
    group.advance(group.settings.heartbeatMs);
    expect(a.role.kind).toBe("leader");
    expect(a.told.filter(({ kind }) => kind === "leader")).toHaveLength(1);
    expect(a.disk.state.appliedSeq).toBe(1);
  });

  test("E5 commits what an earlier leader left only together with a record of its own", () => {
    const group = new FakeGroup({ settings: { sliceBytesMax: 1 } });
    const a = group.start();
    group.delivers = ({ message }) => message.kind !== "append" || message.entries.length === 0;
    a.append("left");
    group.settle();
    // It comes again, and sends what it left; the first record of its new epoch, at 3, reaches nobody.
    a.restart();
    group.delivers = ({ message }) =>
      message.kind !== "append" || message.prevSeq < 2 || message.entries.length === 0;
    group.advance(5_000);
    expect(a.role).toMatchObject({ kind: "candidate" });
    expect(group.sentOf("ack", { from: "b" }).at(-1)).toMatchObject({ durableSeq: 2 });
    expect(group.sentOf("ack", { from: "c" }).at(-1)).toMatchObject({ durableSeq: 2 });
    expect(a.member.status().commitSeq).toBe(1);
    expect(a.disk.content()).toEqual({});
    group.delivers = () => true;
    group.advance(500);
    expect(a.role).toMatchObject({ kind: "leader" });
    expect(a.member.status().commitSeq).toBe(3);
    expect(a.disk.content()).toEqual({ left: "left" });
  });

  test("cuts off what a returning leader alone had, and that is never applied anywhere", () => {
    const group = new FakeGroup();
    const a = group.start();
    group.delivers = cut("a");
    const told = a.append("alone");
    group.settle();
    group.endLease();
    group.advance(5_000);
    const next = group.leader();
    expect(next?.name).not.toBe("a");
    next?.append("together");
    group.advance(500);
    expect(told).toEqual(["stored", "LeadershipLost"]);
    group.delivers = () => true;
    group.advance(2_000);
    expect(contents(group)).toEqual([["together"], ["together"], ["together"]]);
    expect(a.disk.entries.map(({ epoch: each }) => each)).toEqual(
      next?.disk.entries.map(({ epoch: each }) => each),
    );
  });
});

describe("a member that starts again", () => {
  test("does not lead the epoch that it led before, though its lease still lives", () => {
    const group = new FakeGroup();
    const a = group.start();
    a.append("k");
    group.settle();
    a.restart();
    expect(a.role.kind).toBe("follower");
    group.advance(3_000);
    const leader = group.leader();
    expect(leader?.role).toMatchObject({ epoch: 2 });
    expect(leader?.disk.content()).toEqual({ k: "k" });
  });
});

describe("a leader", () => {
  test("that a majority does not answer for 2 s gives its lease back, and fails what is pending", () => {
    const group = new FakeGroup();
    const a = group.start();
    group.delivers = cut("b", "c");
    const told = a.append("k");
    group.advance(1_990);
    expect(a.role.kind).toBe("leader");
    group.advance(300);
    expect(a.role.kind).toBe("follower");
    expect(told).toEqual(["stored", "LeadershipLost"]);
    expect(a.told.at(-1)).toEqual({ kind: "follower", leader: undefined });
  });

  test("that one of two others answers goes on", () => {
    const group = new FakeGroup();
    const a = group.start();
    group.delivers = cut("b");
    group.advance(10_000);
    expect(a.role).toEqual({ kind: "leader", epoch: 1 });
  });

  test("answers and takes nothing from the moment on at which its lease ends", () => {
    const group = new FakeGroup();
    const a = group.start();
    const leadership = a.lead();
    a.leaseDeadlineMs = group.nowMs + 1;
    expect(leadership.mayAnswer()).toBe(true);
    a.leaseDeadlineMs = group.nowMs;
    expect(leadership.mayAnswer()).toBe(false);
    expect(() => a.append("k")).toThrow("does not lead");
    group.advance(group.settings.heartbeatMs);
    expect(a.role.kind).not.toBe("leader");
  });

  test("whose lease is unproven takes records but answers nothing by itself", () => {
    const group = new FakeGroup();
    const a = group.start();
    a.isLeaseProven = false;
    expect(a.lead().mayAnswer()).toBe(false);
    const told = a.append("k");
    group.settle();
    expect(told).toContain("committed 2");
  });

  test("confirms by answers to what it asked after the question, and by a majority", () => {
    const group = new FakeGroup();
    const a = group.start();
    const confirmed: boolean[] = [];
    group.delivers = cut("b", "c");
    a.lead().confirm((isConfirmed) => confirmed.push(isConfirmed));
    // Answers to earlier questions prove nothing.
    for (const ack of group.sentOf("ack", { from: "b" })) a.hear("b", ack);
    group.settle();
    expect(confirmed).toEqual([]);
    group.delivers = cut("c");
    group.advance(group.settings.heartbeatMs);
    expect(confirmed).toEqual([true]);
    group.delivers = cut("b", "c");
    a.lead().confirm((isConfirmed) => confirmed.push(isConfirmed));
    group.advance(3_000);
    expect(confirmed).toEqual([true, false]);
  });

  test("tells when as many voters as asked have a record on disk", () => {
    const group = new FakeGroup();
    const a = group.start();
    group.delivers = cut("c");
    a.append("k");
    group.settle();
    const told: string[] = [];
    a.lead().whenDurable(logSeq(2), 2, (isDurable) => told.push(`two ${isDurable}`));
    a.lead().whenDurable(logSeq(2), 3, (isDurable) => told.push(`three ${isDurable}`));
    group.settle();
    expect(told).toEqual(["two true"]);
    expect(a.lead().durableCount(logSeq(2))).toBe(2);
    group.delivers = () => true;
    group.advance(group.settings.heartbeatMs * 2);
    expect(told).toEqual(["two true", "three true"]);
  });

  test("whose epoch is over by a later one steps down at once", () => {
    const group = new FakeGroup();
    const a = group.start();
    group.node("b").hear("c", { kind: "hello", epoch: epoch(2) });
    group.settle();
    a.append("k");
    group.settle();
    expect(a.role.kind).toBe("follower");
  });

  test("whose disk stays full hands its lease to the most advanced voter", () => {
    const group = new FakeGroup();
    const a = group.start();
    a.append("k");
    const full = () => {
      a.disk.nextOutcome = { kind: "full" };
    };
    full();
    for (let waited = 0; waited < 2_400 && a.role.kind === "leader"; waited += 100) {
      group.advance(100);
      full();
    }
    expect(a.role.kind).toBe("follower");
    expect([idOf("b"), idOf("c")]).toContain(group.etcd.hint ?? group.etcd.leader);
  });
});

describe("corruption", () => {
  test("E6 that would undo what is applied puts the member into quarantine, and nothing is undone", () => {
    const group = new FakeGroup();
    const a = group.start();
    a.append("k");
    group.advance(300);
    const b = group.node("b");
    const other = new FakeGroup();
    other.start();
    other.node("a").append("another", "record");
    other.settle();
    const forged = other.sentOf("append", { to: "b" }).at(-1);
    if (forged === undefined) throw new Error("There is no Append.");
    b.hear("c", { ...forged, epoch: epoch(9), prevSeq: logSeq(1) });
    group.settle();
    expect(b.role.kind).toBe("quarantined");
    expect(b.disk.content()).toEqual({ k: "k" });
    // It takes part in nothing any more.
    const before = group.sent.filter(({ from }) => from === "b").length;
    b.hear("c", { kind: "hello", epoch: epoch(10) });
    group.advance(1_000);
    expect(group.sent.filter(({ from }) => from === "b").length).toBe(before);
  });
});

describe("E7: a coordinator that has forgotten epochs", () => {
  test("is not asked for another one, and its operator is told when it does not recover", () => {
    const group = new FakeGroup();
    const a = group.start();
    group.advance(300);
    a.stop();
    group.nodes.delete("a");
    group.etcd.epoch = epoch(0);
    group.endLease();
    group.advance(10_000);
    expect(group.etcd.epoch).toBe(0);
    expect(group.leader()).toBeUndefined();
    group.advance(20_000);
    const [failure] = group.node("b").failures;
    expect(failure).toBeInstanceOf(OperatorFault);
    expect(failure?.message).toContain("restored from an older backup");
  });

  test("and gave an epoch away twice, is found out by the records that the first holder wrote", () => {
    const group = new FakeGroup();
    group.delivers = cut("c");
    group.start().append("k");
    group.advance(300);
    group.node("a").stop();
    group.nodes.delete("a");
    // Only b knows of epoch 1, and has its records; as it starts again it has forgotten who held it.
    group.node("b").restart();
    const recordsBefore = [...group.node("b").disk.entries];
    group.etcd.epoch = epoch(0);
    group.etcd.leader = undefined;
    // What c hears of b hides the promise, so that it asks for epoch 1.
    group.delivers = (letter) => {
      const { message, to } = letter;
      if (message.kind !== "position" || message.position.promisedEpoch === 0) return true;
      const position = { ...message.position, promisedEpoch: epoch(0) };
      group.later(() => group.node(to).hear("b", { kind: "position", position }));
      return false;
    };
    const c = group.node("c");
    c.restart();
    group.advance(1_000);
    expect(group.etcd.epoch).toBe(1);
    expect(c.failures[0]).toBeInstanceOf(OperatorFault);
    expect(c.failures[0]?.message).toContain("another one has records of epoch 1");
    expect(group.node("b").disk.entries).toEqual(recordsBefore);
    expect(c.disk.entries).toEqual([]);
  });
});

test("a clock that differs from the median of all by more than 2 s does not campaign", () => {
  const group = new FakeGroup();
  group.node("a").wallOffsetMs = 2_500;
  group.start();
  expect(group.etcd.epoch).toBe(0);
  group.node("a").wallOffsetMs = 1_500;
  group.advance(3_000);
  expect(group.etcd.epoch).toBe(1);
});

test("of an even count of clocks the nearer of the middle two counts", () => {
  expect(medianOf([0, 9_000])).toBe(0);
  expect(medianOf([0, -9_000])).toBe(0);
  expect(medianOf([0, 9_000, 9_500])).toBe(9_000);
  expect(medianOf([-50, 0, 10, 9_000])).toBe(0);
  expect(medianOf([])).toBe(0);
});
