// A copy of the state for a member whose log ends before the leader's begins: slices one after another, beside the member's own
// state, and then the log. Whatever is lost or interrupted on the way, no half of a copy is ever taken for the state.

import { describe, expect, test } from "vitest";
import { epoch, epochMs, logSeq } from "../../src/base/brands.js";
import type { StateSliceMessage } from "../../src/replication/message.js";
import { copyRetryMs, copySilenceMsMax } from "../../src/replication/settings.js";
import type { MemberState } from "../../src/store/replica-disk.js";
import { cut, emptyState, FakeGroup, type Letter, put } from "./fake-group.js";

/** Ahead of every wall clock here. */
const groupTime = epochMs(2_000_000_000_000);
const keys = ["p", "q", "r", "s", "t"];

/** A voter alone whose store had data before it was a member's, and an empty learner that is started now. */
function withLearner(delivers: (letter: Letter) => boolean = () => true) {
  const group = new FakeGroup({ voters: ["a"], learners: ["b"] });
  const chain = Buffer.alloc(16, 7);
  const grown: MemberState = {
    ...emptyState("a", group.etcd.configuration),
    epochBegins: [{ epoch: epoch(0), firstSeq: logSeq(1) }],
    logBase: { epoch: epoch(0), seq: logSeq(1), chain },
    logEnd: { epoch: epoch(0), seq: logSeq(1), chain },
    appliedSeq: logSeq(1),
    leaderTime: groupTime,
  };
  const a = group.add("a", grown);
  for (const { key, value } of keys.map((name) => put(name, "old"))) {
    if (value !== undefined) a.disk.rows.set(key.toString(), value);
  }
  const b = group.node("b");
  a.begin();
  group.settle();
  group.delivers = delivers;
  b.begin();
  return { group, a, b };
}

const expected = { p: "old", q: "old", r: "old", s: "old", t: "old" };

describe("a copy", () => {
  test("gives an empty member the whole state, slice by slice, and then the log", () => {
    const { group, a, b } = withLearner();
    group.advance(500);
    expect(b.disk.content()).toEqual(expected);
    expect(group.sentOf("ask_slice").map(({ afterKey }) => afterKey.toString())).toEqual([
      "",
      "q",
      "s",
    ]);
    // No record came with it, and yet none that this member makes, if it ever leads, is earlier than those before.
    expect(b.disk.state.leaderTime).toBe(groupTime);
    a.append("u", "new");
    group.advance(500);
    expect(b.disk.content()).toEqual({ ...expected, u: "new" });
    expect(b.disk.state).toMatchObject({ logEnd: a.disk.state.logEnd, appliedSeq: 3 });
    expect(group.sentOf("offer_snapshot")).toHaveLength(1);
  });

  test("is whole though rows changed, came and went while it was taken", () => {
    const { group, a, b } = withLearner();
    let slices = 0;
    group.delivers = ({ message }) => {
      if (message.kind !== "state_slice") return true;
      slices += 1;
      const ignored = (): void => undefined;
      const progress = { stored: ignored, committed: ignored, applied: ignored, failed: ignored };
      // "q" was read before it changes, "t" goes before it is read, "aa" comes behind the cursor.
      if (slices === 1) {
        const gone = { key: Buffer.from("t"), value: undefined, mayReplaceChunks: false };
        group.later(() =>
          a.lead().append([put("q", "new"), gone, put("aa", "new")], epochMs(9_000), progress),
        );
      }
      return true;
    };
    group.advance(1_000);
    expect(b.disk.content()).toEqual(a.disk.content());
    expect(b.disk.content()).toEqual({ aa: "new", p: "old", q: "new", r: "old", s: "old" });
  });

  test("does not let the member lead before all that shows in it is applied", () => {
    const { group, a, b } = withLearner(({ message }) => message.kind !== "state_slice");
    group.advance(300);
    a.append("u");
    group.settle();
    // From here on slices come and records do not.
    group.delivers = ({ message }) => message.kind !== "append" || message.entries.length === 0;
    group.advance(2 * copyRetryMs);
    expect(b.disk.state).toMatchObject({ appliedSeq: 2, wholeFrom: 3 });
    b.hear("a", { kind: "ask_position" });
    expect(group.sentOf("position", { from: "b" }).at(-1)?.position.mayLead).toBe(false);
    group.delivers = () => true;
    group.advance(500);
    b.hear("a", { kind: "ask_position" });
    expect(group.sentOf("position", { from: "b" }).at(-1)?.position.mayLead).toBe(true);
  });

  for (const kind of ["offer_snapshot", "ask_slice", "state_slice"] as const) {
    test(`goes on when the first ${kind} is lost`, () => {
      let isLost = false;
      const { group, b } = withLearner(({ message }) => {
        if (message.kind !== kind || isLost) return true;
        isLost = true;
        return false;
      });
      group.advance(copyRetryMs + 500);
      expect(isLost).toBe(true);
      expect(b.disk.content()).toEqual(expected);
    });
  }

  test("goes on when the member's word that it is in place is lost", () => {
    let isLost = false;
    const { group, a, b } = withLearner(({ message }) => {
      if (message.kind !== "ack" || isLost) return true;
      isLost = true;
      return false;
    });
    group.advance(500);
    expect(isLost).toBe(true);
    a.append("u");
    group.advance(500);
    expect(b.disk.state.logEnd).toEqual(a.disk.state.logEnd);
    expect(group.sentOf("offer_snapshot")).toHaveLength(1);
  });

  test("takes no slice that was spoilt, repeated or is of another copy", () => {
    const { group, b } = withLearner();
    const seen: StateSliceMessage[] = [];
    group.delivers = ({ message }) => {
      if (message.kind !== "state_slice") return true;
      seen.push(message);
      return false;
    };
    group.advance(300);
    const [slice] = seen;
    if (slice === undefined) throw new Error("There is no slice.");
    const [row, ...others] = slice.rows;
    if (row === undefined) throw new Error("There is no row.");
    b.hear("a", { ...slice, rows: [{ ...row, value: Buffer.from("evil") }, ...others] });
    b.hear("a", { ...slice, snapshotId: slice.snapshotId + 1 });
    b.hear("a", { ...slice, afterKey: Buffer.from("a") });
    group.delivers = () => true;
    group.settle();
    b.hear("a", slice);
    b.hear("a", slice);
    group.advance(2 * copyRetryMs);
    expect(b.disk.content()).toEqual(expected);
  });

  test("that is half taken when the member dies is begun anew, and the old state stands until then", () => {
    const { group, b } = withLearner(({ message }) => message.kind !== "ask_slice");
    group.advance(300);
    b.restart();
    expect(b.disk.content()).toEqual({});
    expect(b.disk.state.appliedSeq).toBe(0);
    group.delivers = () => true;
    group.advance(copySilenceMsMax + 2_000);
    expect(b.disk.content()).toEqual(expected);
  });

  test("of a leader that is over is not put in place", () => {
    const { group, b } = withLearner(({ message }) => message.kind !== "state_slice");
    group.advance(300);
    const lost = group.sentOf("state_slice").at(-1);
    if (lost === undefined) throw new Error("There is no slice.");
    b.hear("c", { kind: "hello", epoch: epoch(7) });
    group.settle();
    b.hear("a", { ...lost, isLast: true });
    group.settle();
    expect(b.disk.content()).toEqual({});
    expect(b.disk.state).toMatchObject({ promisedEpoch: 7, appliedSeq: 0 });
  });

  test("keeps the log that it needs from being trimmed meanwhile", () => {
    const { group, a, b } = withLearner(({ message }) => message.kind !== "state_slice");
    group.advance(300);
    const start = group.sentOf("offer_snapshot")[0]?.startSeq;
    for (let index = 0; index < 10; index += 1) {
      a.append(`k${index}`);
      group.settle();
    }
    group.delivers = () => true;
    group.advance(2 * copyRetryMs);
    expect(start).toBe(2);
    expect(b.disk.content()).toEqual(a.disk.content());
    expect(group.sentOf("offer_snapshot")).toHaveLength(1);
  });
});

describe("async: a returning leader that confirmed what its successor never had", () => {
  const afterLoss = () => {
    const group = new FakeGroup({ acks: "async" });
    const a = group.start();
    a.append("kept");
    group.advance(300);
    group.delivers = cut("a");
    a.append("lost", "1");
    group.settle();
    a.append("lost", "2");
    group.settle();
    expect(a.disk.content()).toEqual({ kept: "kept", lost: "2" });
    group.endLease();
    group.advance(4_000);
    return { group, a };
  };

  test("keeps the lost records aside, counts them, and takes a copy", () => {
    const { group, a } = afterLoss();
    group.leader()?.append("after");
    group.delivers = () => true;
    group.advance(4_000);
    expect(a.disk.lost.map(({ epoch: each, seq }) => [each, seq])).toEqual([
      [1, 3],
      [1, 4],
    ]);
    expect(a.lostCount).toBe(2);
    expect(a.disk.content()).toEqual({ kept: "kept", after: "after" });
    expect(a.role.kind).toBe("follower");
  });

  test("is put into quarantine instead where a majority had to confirm", () => {
    const { group, a } = afterLoss();
    a.stop();
    const { configuration } = a.disk.state;
    a.disk.state = { ...a.disk.state, configuration: { ...configuration, acks: "quorum" } };
    a.restart();
    group.delivers = () => true;
    group.advance(4_000);
    expect(a.role.kind).toBe("quarantined");
    expect(a.disk.content()).toEqual({ kept: "kept", lost: "2" });
  });
});
