// Which node answers a call, by what its caller asks for and what this node knows.

import { Metadata, status } from "@grpc/grpc-js";
import { describe, expect, test } from "vitest";
import type { Placement } from "../../src/edge/call-router.js";
import type { Forwarder } from "../../src/edge/forwarder.js";
import type { Consistency, Position } from "../../src/rpc/parse-consistency.js";
import { ClusterRouter, type GroupFacts } from "../../src/server/cluster-router.js";
import type { LeaderTenure, ReplicaTenure } from "../../src/server/tenure.js";
import { ManualClock } from "../support/manual-clock.js";

const path = "/forebay.queue.v1.QueueService/PeekMessages";
const epochs: Readonly<Record<number, number>> = { 1: 1, 2: 1, 3: 2, 4: 2 };

/** A node whose log is of epochs 1, 1, 2, 2, and which a test makes leader or not. */
function node({
  leads = false,
  leader = "leader:1",
  isLeaderHere = false,
  applied = 4,
  stalenessMs = 100,
  isWhole = true,
  isRemoved = false,
  confirms = true,
} = {}) {
  const clock = new ManualClock({ settle: () => Promise.resolve() });
  let appliedSeq = applied;
  const reacting = new Set<() => void>();
  const leading = { records: { position: () => ({ epoch: 2, seq: 4 }) } } as LeaderTenure;
  const reading = { handlerOf: (asked: string) => (asked === path ? () => ({}) : undefined) };
  const facts: GroupFacts = {
    leading: () => (leads ? leading : undefined),
    reading: () => (isWhole ? (reading as unknown as ReplicaTenure) : undefined),
    leaderEndpoint: () => (leader === "nobody" ? undefined : leader),
    leader: () =>
      leader === "nobody"
        ? undefined
        : { node: "a", dataEndpoint: leader, replicationEndpoint: "a:2" },
    isRemoved: () => isRemoved,
    isLeaderHere: () => leads || isLeaderHere,
    appliedSeq: () => appliedSeq,
    stalenessMs: () => (stalenessMs < 0 ? undefined : stalenessMs),
    isOfHistory: ({ epoch, seq }: Position) => epochs[seq] === epoch,
    onApplied: (react) => {
      reacting.add(react);
      return () => reacting.delete(react);
    },
    confirmLeading: () => Promise.resolve(confirms),
  };
  const asked: string[] = [];
  const router = new ClusterRouter(facts, clock, ({ dataEndpoint }) => {
    asked.push(dataEndpoint);
    return {} as Forwarder;
  });
  const place = async (
    consistency: Consistency | undefined,
    { isForwarded = false, at = path } = {},
  ): Promise<Placement> =>
    await router.place({
      path: at,
      consistency,
      context: {
        deadline: undefined,
        isCancelled: false,
        onCancelled: () => undefined,
        metadata: (key) => (isForwarded && key === "forebay-forwarded" ? "1" : undefined),
      },
    });
  const apply = (seq: number): void => {
    appliedSeq = seq;
    for (const react of [...reacting]) react();
  };
  return { clock, router, place, asked, apply, reacting };
}

const reasonOf = (placement: Placement): string | undefined =>
  placement.kind === "nowhere" ? placement.fault.reason : placement.kind;

const lease: Consistency = { kind: "leader_lease" };
const quorum: Consistency = { kind: "leader_quorum" };
const any: Consistency = { kind: "any" };
const bounded = (ms: number) => ({ kind: "bounded", stalenessMsMax: ms }) as Consistency;
const atLeast = (epoch: number, seq: number): Consistency => ({
  kind: "at_least",
  position: { epoch, seq },
});

describe("a node that leads", () => {
  test("answers everything, at once", async () => {
    const { place } = node({ leads: true });
    for (const consistency of [undefined, lease, quorum, any, bounded(0), atLeast(2, 4)]) {
      expect(reasonOf(await place(consistency))).toBe("here");
    }
    expect(reasonOf(await place(undefined, { isForwarded: true }))).toBe("here");
  });

  test("answers no read that asks for a majority when none confirms it", async () => {
    const { place } = node({ leads: true, confirms: false });
    expect(reasonOf(await place(quorum))).toBe("NOT_LEADER");
  });

  test("refuses a position that its history does not have", async () => {
    const { place } = node({ leads: true });
    expect(reasonOf(await place(atLeast(1, 3)))).toBe("POSITION_UNKNOWN");
    expect(reasonOf(await place(atLeast(2, 5)))).toBe("POSITION_UNKNOWN");
    expect(reasonOf(await place(atLeast(1, 2)))).toBe("here");
  });
});

describe("a node that follows", () => {
  test("passes on what changes something, and reads that only the leader answers", async () => {
    const { place, asked } = node();
    for (const consistency of [undefined, lease, quorum]) {
      expect(reasonOf(await place(consistency))).toBe("elsewhere");
    }
    expect(asked).toEqual(["leader:1", "leader:1", "leader:1"]);
  });

  test("answers a read of any state, and one that is as fresh as asked", async () => {
    const { place } = node({ stalenessMs: 100 });
    expect(reasonOf(await place(any))).toBe("here");
    expect(reasonOf(await place(bounded(100)))).toBe("here");
    expect(reasonOf(await place(bounded(99)))).toBe("elsewhere");
    const unknown = node({ stalenessMs: -1 });
    expect(reasonOf(await unknown.place(bounded(3_600_000)))).toBe("elsewhere");
  });

  test("passes on a read that it has no handler for, and all while its state is an unfinished copy", async () => {
    const { place } = node();
    expect(reasonOf(await place(any, { at: "/forebay.queue.v1.QueueService/Other" }))).toBe(
      "elsewhere",
    );
    const copying = node({ isWhole: false });
    expect(reasonOf(await copying.place(any))).toBe("elsewhere");
  });

  test("answers at a position once it has it, and refuses one of another history", async () => {
    const { place } = node();
    expect(reasonOf(await place(atLeast(2, 4)))).toBe("here");
    expect(reasonOf(await place(atLeast(1, 4)))).toBe("POSITION_UNKNOWN");
  });

  test("waits 200 ms for a position, and then asks the leader", async () => {
    const { place, clock, reacting } = node({ applied: 3 });
    const placed = place(atLeast(2, 4));
    let isPlaced = false;
    void placed.then(() => {
      isPlaced = true;
    });
    await clock.advance(199);
    expect(isPlaced).toBe(false);
    await clock.advance(1);
    expect(reasonOf(await placed)).toBe("elsewhere");
    expect(reacting.size).toBe(0);
  });

  test("answers as soon as the position is applied", async () => {
    const { place, apply, reacting } = node({ applied: 2 });
    const placed = place(atLeast(2, 4));
    await Promise.resolve();
    apply(3);
    expect(reacting.size).toBe(1);
    apply(4);
    expect(reasonOf(await placed)).toBe("here");
    expect(reacting.size).toBe(0);
  });

  test("passes nothing on a second time, and nothing to nobody", async () => {
    const { place, asked } = node();
    expect(reasonOf(await place(undefined, { isForwarded: true }))).toBe("NOT_LEADER");
    const refused = await node({ leader: "nobody" }).place(undefined);
    expect(refused).toMatchObject({ kind: "nowhere" });
    expect(refused.kind === "nowhere" && refused.fault.code).toBe(status.UNAVAILABLE);
    expect(refused.kind === "nowhere" && refused.fault.fields.retryAfterMs).toBeGreaterThan(0);
    expect(asked).toEqual([]);
  });

  test("that was elected and does not serve yet, does not pass on to itself", async () => {
    const { place, asked } = node({ isLeaderHere: true, leader: "self:1" });
    expect(reasonOf(await place(undefined))).toBe("NOT_LEADER");
    expect(asked).toEqual([]);
  });

  test("names the leader in the trailers of what it refuses", () => {
    expect(node().router.trailers().get("forebay-leader")).toEqual(["leader:1"]);
    expect(node({ leader: "nobody" }).router.trailers()).toEqual(new Metadata());
  });
});

test("a node that was removed answers nothing, not even from whatever state it has, and says what to do", async () => {
  const { place } = node({ isRemoved: true });
  for (const placement of [await place({ kind: "any" }), await place(undefined)]) {
    expect(placement).toMatchObject({ kind: "nowhere", fault: { code: status.UNAVAILABLE } });
    expect(placement.kind === "nowhere" && placement.fault.message).toMatch(
      /removed from its cluster.*forebay cluster add/s,
    );
  }
});
