// The judge of reads is judged: for each kind of freshness an answer that is just fresh enough, and one that lacks one message.

import { describe, expect, test } from "vitest";
import type { Freshness, Position, Read, Wrote } from "./cluster-history.js";
import { judgeReads } from "./replica-reads.js";

const at = (seq: number, epoch = 1): Position => ({ epoch, seq });

const wrote = (change: Partial<Wrote> = {}): Wrote => ({
  kind: "wrote",
  queue: "q",
  node: "a",
  outcome: "ok",
  startedMs: 0,
  endedMs: 10,
  position: at(5),
  ...change,
});

const read = (change: Partial<Read> = {}): Read => ({
  kind: "read",
  queue: "q",
  node: "b",
  freshness: { kind: "leader_lease" },
  count: 1,
  position: at(5),
  startedMs: 20,
  endedMs: 30,
  ...change,
});

const kindsIn = (writes: readonly Wrote[], reads: readonly Read[]) =>
  judgeReads(writes, reads).map(({ kind }) => kind);

describe.each(["leader_lease", "leader_quorum"] as const)("%s", (kind) => {
  const freshness: Freshness = { kind };

  test("shows what was acknowledged before the call", () => {
    expect(kindsIn([wrote()], [read({ freshness })])).toEqual([]);
    expect(kindsIn([wrote()], [read({ freshness, count: 0 })])).toEqual(["stale"]);
  });

  test("may lack what was acknowledged during the call, and what nobody acknowledged", () => {
    expect(kindsIn([wrote({ endedMs: 20 })], [read({ freshness, count: 0 })])).toEqual([]);
    const unknown = wrote({ outcome: "unknown" });
    expect(kindsIn([unknown], [read({ freshness, count: 0 })])).toEqual([]);
    expect(kindsIn([unknown], [read({ freshness, count: 1 })])).toEqual([]);
  });

  test("shows what anybody has seen before the call, acknowledged or not", () => {
    const earlier = read({ freshness: { kind: "any" }, startedMs: 12, endedMs: 15 });
    const unknown = wrote({ outcome: "unknown" });
    expect(kindsIn([unknown], [earlier, read({ freshness, count: 0 })])).toEqual(["stale"]);
    expect(
      kindsIn([unknown], [{ ...earlier, endedMs: 20 }, read({ freshness, count: 0 })]),
    ).toEqual([]);
  });
});

describe("bounded", () => {
  const freshness: Freshness = { kind: "bounded", stalenessMsMax: 100 };
  const late = { freshness, startedMs: 111, endedMs: 115 };

  test("shows what was acknowledged before the age it promises", () => {
    expect(kindsIn([wrote()], [read({ ...late, count: 1 })])).toEqual([]);
    expect(kindsIn([wrote()], [read({ ...late, count: 0 })])).toEqual(["stale"]);
  });

  test("may lack what is younger", () => {
    expect(kindsIn([wrote({ endedMs: 11 })], [read({ ...late, count: 0 })])).toEqual([]);
  });
});

describe("at_least", () => {
  const freshness: Freshness = { kind: "at_least", position: at(5) };

  test("shows what was acknowledged up to the position, whenever", () => {
    expect(kindsIn([wrote()], [read({ freshness })])).toEqual([]);
    expect(kindsIn([wrote()], [read({ freshness, count: 0 })])).toEqual(["stale"]);
    expect(kindsIn([wrote({ endedMs: 90 })], [read({ freshness, count: 0 })])).toEqual(["stale"]);
  });

  test("may lack what stands behind it", () => {
    const behind = wrote({ position: at(6) });
    expect(kindsIn([behind], [read({ freshness, count: 0 })])).toEqual([]);
  });

  test("shows what an answer from there or before has shown, also of another epoch", () => {
    const unknown = wrote({ outcome: "unknown" });
    const earlier = read({ freshness: { kind: "any" }, position: at(4, 2) });
    expect(kindsIn([unknown], [earlier, read({ freshness, count: 0 })])).toEqual(["stale"]);
    expect(
      kindsIn([unknown], [{ ...earlier, position: at(6) }, read({ freshness, count: 0 })]),
    ).toEqual([]);
  });
});

describe("any", () => {
  const freshness: Freshness = { kind: "any" };

  test("may lack anything", () => {
    expect(kindsIn([wrote()], [read({ freshness, count: 0 })])).toEqual([]);
  });

  test("never shows what nobody had asked for, or what was refused", () => {
    expect(kindsIn([wrote()], [read({ freshness, count: 2 })])).toEqual(["invented"]);
    expect(kindsIn([wrote({ startedMs: 30, endedMs: 40 })], [read({ freshness })])).toEqual([
      "invented",
    ]);
    expect(kindsIn([wrote({ outcome: "refused" })], [read({ freshness })])).toEqual(["invented"]);
  });
});
