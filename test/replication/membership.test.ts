// Who takes part, one change at a time, and how a leader goes without a gap.

import { describe, expect, test } from "vitest";
import { logSeq } from "../../src/base/brands.js";
import { decideChange, type GroupFacts } from "../../src/replication/decide-change.js";
import type {
  ChangeResult,
  ConfigurationChange,
  FollowerStatus,
} from "../../src/replication/ports.js";
import { handoverMsMax } from "../../src/replication/settings.js";
import { cut, FakeGroup, type FakeNode, idOf, memberOf } from "./fake-group.js";

function change(node: FakeNode, wanted: ConfigurationChange): ChangeResult[] {
  const results: ChangeResult[] = [];
  node.member.changeConfiguration(wanted, (result) => results.push(result));
  return results;
}

const votersIn = (node: FakeNode): string[] =>
  node.disk.state.configuration.members
    .filter(({ isVoter }) => isVoter)
    .map(({ node: name }) => name);

describe("a change of the group", () => {
  test("is stored by the coordinator, then written to the log, and done when that is committed", () => {
    const group = new FakeGroup();
    const a = group.start();
    group.delivers = cut("b", "c");
    const results = change(a, { kind: "set_acks", acks: "all" });
    group.settle();
    expect(group.etcd.configuration).toMatchObject({ version: 2, acks: "all" });
    expect(a.disk.state.configuration.version).toBe(2);
    expect(results).toEqual([]);
    group.delivers = () => true;
    group.advance(500);
    expect(results).toMatchObject([{ kind: "done", configuration: { version: 2 } }]);
    expect(group.node("c").disk.state.configuration).toMatchObject({ version: 2, acks: "all" });
  });

  test("brings a new node in as a learner, and as a voter once it has caught up", () => {
    const group = new FakeGroup({ voters: ["a"] });
    const a = group.start();
    a.append("k");
    const d = group.add("d");
    d.begin();
    expect(change(a, { kind: "promote", id: idOf("d") })).toMatchObject([{ kind: "refused" }]);
    const added = change(a, { kind: "add_learner", member: memberOf("d") });
    group.advance(500);
    expect(added).toMatchObject([{ kind: "done" }]);
    expect(d.disk.content()).toEqual({ k: "k" });
    expect(votersIn(a)).toEqual(["a"]);
    const promoted = change(a, { kind: "promote", id: idOf("d") });
    group.advance(500);
    expect(promoted).toMatchObject([{ kind: "done" }]);
    expect(votersIn(d)).toEqual(["a", "d"]);
    // From now on both must have a record.
    group.delivers = cut("d");
    const told = a.append("alone");
    group.settle();
    expect(told).toEqual(["stored"]);
  });

  test("takes a voter out, and counts without it from then on", () => {
    const group = new FakeGroup();
    const a = group.start();
    group.delivers = cut("c");
    const results = change(a, { kind: "remove", id: idOf("c") });
    group.advance(500);
    expect(results).toMatchObject([{ kind: "done" }]);
    expect(votersIn(a)).toEqual(["a", "b"]);
    const before = group.sentOf("append", { to: "c" }).length;
    group.advance(500);
    expect(group.sentOf("append", { to: "c" }).length).toBe(before);
  });

  test("waits for the one before it", () => {
    const group = new FakeGroup();
    const a = group.start();
    group.delivers = cut("b", "c");
    const first = change(a, { kind: "set_acks", acks: "all" });
    group.settle();
    const second = change(a, { kind: "set_acks", acks: "quorum" });
    group.settle();
    expect(second).toMatchObject([{ kind: "refused" }]);
    group.delivers = () => true;
    group.advance(500);
    expect(first).toMatchObject([{ kind: "done" }]);
    const third = change(a, { kind: "set_acks", acks: "quorum" });
    group.advance(500);
    expect(third).toMatchObject([{ kind: "done", configuration: { version: 3 } }]);
  });

  test("whose outcome the coordinator did not tell is found out, and done if it was stored", () => {
    const group = new FakeGroup();
    const a = group.start();
    group.etcd.isAway = true;
    const results = change(a, { kind: "set_acks", acks: "all" });
    group.advance(500);
    expect(results).toEqual([]);
    // It was stored after all, though the answer was lost.
    group.etcd.configuration = { ...group.etcd.configuration, version: 2, acks: "all" };
    group.etcd.isAway = false;
    group.advance(500);
    expect(results).toMatchObject([{ kind: "done", configuration: { version: 2, acks: "all" } }]);
  });

  test("whose outcome the coordinator did not tell is refused if it was not stored", () => {
    const group = new FakeGroup();
    const a = group.start();
    group.etcd.isAway = true;
    const results = change(a, { kind: "set_acks", acks: "all" });
    group.advance(300);
    group.etcd.isAway = false;
    group.advance(500);
    expect(results).toMatchObject([{ kind: "refused" }]);
    expect(a.disk.state.configuration.version).toBe(1);
  });

  test("that was stored when its leader died is the next leader's to write", () => {
    const group = new FakeGroup();
    const a = group.start();
    group.delivers = cut("a");
    const results = change(a, { kind: "set_acks", acks: "all" });
    group.settle();
    a.stop();
    group.nodes.delete("a");
    expect(results).toEqual([]);
    group.etcd.configuration = { ...group.etcd.configuration, acks: "quorum" };
    group.endLease();
    group.advance(4_000);
    expect(group.leader()?.disk.state.configuration.version).toBe(2);
  });

  test("is for the leader to make", () => {
    const group = new FakeGroup();
    group.start();
    const results = change(group.node("b"), { kind: "set_acks", acks: "all" });
    group.settle();
    expect(results).toMatchObject([{ kind: "refused" }]);
  });
});

describe("what a change makes of a configuration", () => {
  const configuration = {
    version: 4,
    members: [memberOf("a"), memberOf("b"), memberOf("c", false)],
    acks: "quorum",
  } as const;
  const status: FollowerStatus = {
    id: idOf("c"),
    isConnected: true,
    durableSeq: logSeq(100),
    appliedSeq: logSeq(100),
    lagRecords: 0,
    lagBytes: 0,
    lagMs: 1_000,
    silentMs: 0,
    roundTripMs: 1,
    diskFreeBytes: 1,
    isTakingCopy: false,
  };
  const facts = (of: Partial<FollowerStatus> = {}): GroupFacts => ({
    leader: idOf("a"),
    epochFirstSeq: logSeq(100),
    statusOf: () => ({ ...status, ...of }),
  });
  const promote: ConfigurationChange = { kind: "promote", id: idOf("c") };
  const kindOf = (wanted: ConfigurationChange, given = facts()) =>
    decideChange(configuration, wanted, given).kind;

  test("promotes who answers, is at most 1 s behind, takes no copy and has a record of the epoch", () => {
    const decision = decideChange(configuration, promote, facts());
    expect(decision).toMatchObject({ kind: "changed", configuration: { version: 5 } });
    if (decision.kind !== "changed") return;
    expect(decision.configuration.members.map(({ isVoter }) => isVoter)).toEqual([
      true,
      true,
      true,
    ]);
    expect(kindOf(promote, facts({ lagMs: 1_001 }))).toBe("refused");
    expect(kindOf(promote, facts({ isConnected: false }))).toBe("refused");
    expect(kindOf(promote, facts({ isTakingCopy: true }))).toBe("refused");
    expect(kindOf(promote, facts({ durableSeq: logSeq(99) }))).toBe("refused");
    expect(kindOf({ kind: "promote", id: idOf("b") })).toBe("refused");
    expect(kindOf({ kind: "promote", id: idOf("x") })).toBe("refused");
  });

  test("has at most one voter in a zone", () => {
    const crowded = {
      ...configuration,
      members: [memberOf("a"), { ...memberOf("c", false), zone: "zone-a" }],
    };
    expect(decideChange(crowded, promote, facts())).toMatchObject({ kind: "refused" });
    const move = { kind: "move", member: { ...memberOf("b"), zone: "zone-a" } } as const;
    expect(kindOf(move)).toBe("refused");
    expect(kindOf({ ...move, member: { ...memberOf("b"), dataEndpoint: "elsewhere:1" } })).toBe(
      "changed",
    );
  });

  test("adds a node once, and only as a learner", () => {
    const decision = decideChange(
      configuration,
      { kind: "add_learner", member: memberOf("d", true) },
      facts(),
    );
    if (decision.kind !== "changed") throw new Error("It was refused.");
    expect(decision.configuration.members.at(-1)).toMatchObject({ node: "d", isVoter: false });
    expect(kindOf({ kind: "add_learner", member: memberOf("b") })).toBe("refused");
    const again = { ...memberOf("b"), id: idOf("e") };
    expect(kindOf({ kind: "add_learner", member: again })).toBe("refused");
  });

  test("does not remove who leads, nor who is not there", () => {
    expect(kindOf({ kind: "remove", id: idOf("a") })).toBe("refused");
    expect(kindOf({ kind: "remove", id: idOf("x") })).toBe("refused");
    expect(kindOf({ kind: "remove", id: idOf("b") })).toBe("changed");
  });
});

describe("a handover", () => {
  const handOver = (node: FakeNode, target?: string): ChangeResult[] => {
    const results: ChangeResult[] = [];
    node.member.handOver(target === undefined ? undefined : idOf(target), (result) =>
      results.push(result),
    );
    return results;
  };

  test("waits for what is pending, and then lets the other lead without waiting for the lease", () => {
    const group = new FakeGroup();
    const a = group.start();
    group.delivers = cut("b", "c");
    const told = a.append("k");
    group.settle();
    const results = handOver(a, "c");
    expect(() => a.append("too late")).toThrow("does not lead");
    group.settle();
    expect(group.sentOf("transfer_now")).toEqual([]);
    group.delivers = () => true;
    group.advance(group.settings.heartbeatMs * 2);
    expect(told).toEqual(["stored", "committed 2", "applied"]);
    expect(results).toMatchObject([{ kind: "done" }]);
    expect(group.node("c").role).toEqual({ kind: "leader", epoch: 2 });
    expect(a.role).toMatchObject({ kind: "follower" });
  });

  test("does not begin while anything is not committed, though the other has all of it", () => {
    const group = new FakeGroup({ acks: "all" });
    const a = group.start();
    group.delivers = cut("b");
    a.append("k");
    group.settle();
    handOver(a, "c");
    group.advance(group.settings.heartbeatMs * 2);
    expect(group.node("c").disk.state.logEnd.seq).toBe(2);
    expect(group.sentOf("transfer_now")).toEqual([]);
    group.delivers = () => true;
    group.advance(group.settings.heartbeatMs * 2);
    expect(group.sentOf("transfer_now", { to: "c" }).length).toBeGreaterThan(0);
  });

  test("ends what the old leader may answer before the other may begin", () => {
    const group = new FakeGroup();
    const a = group.start();
    const leadership = a.lead();
    group.delivers = ({ message }) => message.kind !== "transfer_now";
    handOver(a);
    expect(group.sentOf("transfer_now").length).toBeGreaterThan(0);
    expect(leadership.mayAnswer()).toBe(false);
    expect(a.leaseDeadlineMs).toBe(Number.POSITIVE_INFINITY);
  });

  test("asks again when TransferNow is lost", () => {
    const group = new FakeGroup();
    const a = group.start();
    let lost = 0;
    group.delivers = ({ message }) => {
      if (message.kind !== "transfer_now" || lost === 2) return true;
      lost += 1;
      return false;
    };
    const results = handOver(a, "b");
    group.advance(group.settings.heartbeatMs * 4);
    expect(results).toMatchObject([{ kind: "done" }]);
    expect(group.node("b").role.kind).toBe("leader");
  });

  test("that nobody takes up ends with the lease given back, not with the old leader going on", () => {
    const group = new FakeGroup();
    const a = group.start();
    group.delivers = ({ message }) => message.kind !== "transfer_now";
    const results = handOver(a, "b");
    group.advance(handoverMsMax + 200);
    expect(results).toMatchObject([{ kind: "done" }]);
    expect(group.etcd.hints).toEqual([idOf("b")]);
    expect(a.role).not.toEqual({ kind: "leader", epoch: 1 });
  });

  test("that finds no voter with everything in time is refused, and the leader goes on", () => {
    const group = new FakeGroup();
    const a = group.start();
    group.delivers = cut("b");
    a.append("k");
    group.settle();
    const results = handOver(a, "b");
    group.advance(handoverMsMax + 200);
    expect(results).toMatchObject([{ kind: "refused" }]);
    expect(a.role).toEqual({ kind: "leader", epoch: 1 });
    expect(a.lead().mayAnswer()).toBe(true);
    const told = a.append("next");
    group.settle();
    expect(told).toContain("committed 3");
  });

  test("needs another voter", () => {
    const alone = new FakeGroup({ voters: ["a"], learners: ["b"] });
    const a = alone.start();
    alone.advance(300);
    const results = [...handOver(a), ...handOver(a, "b"), ...handOver(alone.node("b"))];
    expect(results.map(({ kind }) => kind)).toEqual(["refused", "refused", "refused"]);
    expect(a.role.kind).toBe("leader");
    expect(() => a.append("k")).not.toThrow();
  });
});
