// How long a group with the settings that people have is away when one thing goes wrong, in its own time. Schedules with
// everything at once say only that it comes back; here is how soon.

import { expect, test } from "vitest";
import { defaultMemberSettings } from "../../src/replication/settings.js";
import { noMutation } from "./mutations.js";
import type { SimulatedNode } from "./node.js";
import { Prng } from "./prng.js";
import { type FaultWeights, type Schedule, scheduleOf } from "./schedule.js";
import { runOptions } from "./simulate.js";
import { Trace } from "./trace.js";
import { World } from "./world.js";

const leaseMs = 5_000;
/** Beyond the lease that nobody renews: the election. */
const electionMs = 3_000;
const seeds = Array.from({ length: 15 }, (_, at) => at + 1);

/** Three voters on ordinary machines and an ordinary network, with clients that write all the time. */
class Calm {
  readonly world: World;

  constructor(seed: number) {
    const prng = new Prng(seed);
    const drawn = scheduleOf(seed, prng.fork(1), "plain");
    const schedule: Schedule = {
      ...drawn,
      voterCount: 3,
      learnerCount: 0,
      hasEarlierData: false,
      acks: "quorum",
      settings: defaultMemberSettings,
      leaseMs,
      network: {
        delayMsMean: 0.5,
        loss: 0,
        repetition: 0,
        reorders: false,
        encodes: false,
        windowBytes: 1e6,
      },
      diskMsMean: 1,
      etcdMsMean: 2,
      clockRateErrorMax: 0.0005,
      wallErrorMsMax: 100,
      writeEveryMs: 20,
      readEveryMs: 100,
      faults: Object.fromEntries(
        Object.keys(drawn.faults).map((fault) => [fault, 0]),
      ) as unknown as FaultWeights,
    };
    const { createMember } = runOptions(noMutation);
    const trace = new Trace(false);
    this.world = new World({
      schedule,
      mutation: noMutation,
      prng: prng.fork(2),
      trace,
      createMember,
    });
    for (const node of this.world.nodes) node.start();
    this.run(1_000);
    expect(this.world.leaders()).toHaveLength(1);
  }

  run(ms: number): void {
    const { events } = this.world;
    const untilMs = events.nowMs + ms;
    while (events.step(untilMs)) {
      if (this.world.verdict !== undefined) throw this.world.verdict;
    }
  }

  leader(): SimulatedNode {
    return this.world.leaders()[0] as SimulatedNode;
  }

  follower(): SimulatedNode {
    return this.world.nodes.find(({ role }) => role?.kind !== "leader") as SimulatedNode;
  }

  cut(one: SimulatedNode, other: SimulatedNode, ways: "one" | "both" = "both"): void {
    this.world.network.cut(one.name, other.name);
    if (ways === "both") this.world.network.cut(other.name, one.name);
  }

  /** The longest time in the next `ms` in which no client was told anything. */
  silenceMs(ms: number): number {
    const { clients, events } = this.world;
    const stepMs = 10;
    let longest = 0;
    let count = clients.acknowledgedCount;
    let sinceMs = events.nowMs;
    for (let passed = 0; passed < ms; passed += stepMs) {
      this.run(stepMs);
      if (clients.acknowledgedCount > count) {
        count = clients.acknowledgedCount;
        sinceMs = events.nowMs;
      }
      longest = Math.max(longest, events.nowMs - sinceMs);
    }
    return longest;
  }
}

/** The longest silence over all seeds. */
function worst(silence: (calm: Calm) => number): number {
  return Math.max(...seeds.map((seed) => silence(new Calm(seed))));
}

test("a leader that dies is replaced within its lease and an election", () => {
  const silenceMs = worst((calm) => {
    calm.leader().crash();
    return calm.silenceMs(leaseMs + 2 * electionMs);
  });
  expect(silenceMs).toBeLessThan(leaseMs + electionMs);
});

test("a leader that cannot reach anybody is replaced within its lease and an election", () => {
  const silenceMs = worst((calm) => {
    const leader = calm.leader();
    for (const node of calm.world.nodes) if (node !== leader) calm.cut(leader, node);
    Object.assign(leader.etcdPath, { questionLoss: 1 });
    return calm.silenceMs(leaseMs + 2 * electionMs);
  });
  expect(silenceMs).toBeLessThan(leaseMs + electionMs);
});

test("a leader that reaches the coordinator and no voter resigns, and another one leads", () => {
  const silenceMs = worst((calm) => {
    const leader = calm.leader();
    for (const node of calm.world.nodes) if (node !== leader) calm.cut(leader, node, "one");
    return calm.silenceMs(leaseMs + 2 * electionMs);
  });
  expect(silenceMs).toBeLessThan(leaseMs + electionMs);
});

test("a follower that dies is not noticed by clients", () => {
  const silenceMs = worst((calm) => {
    calm.follower().crash();
    return calm.silenceMs(4_000);
  });
  expect(silenceMs).toBeLessThan(500);
});

test("a handover is hardly noticed", () => {
  const silenceMs = worst((calm) => {
    let told = "";
    calm.leader().ask((member) => member.handOver(undefined, ({ kind }) => (told = kind)));
    const ms = calm.silenceMs(3_000);
    expect(told).toBe("done");
    return ms;
  });
  expect(silenceMs).toBeLessThan(500);
});

test("two voters that cannot see each other, and both a third, keep one leader", () => {
  for (const seed of seeds) {
    const calm = new Calm(seed);
    calm.cut(calm.leader(), calm.follower());
    const before = calm.world.judge.leaderEpochs.length;
    expect(calm.silenceMs(30_000)).toBeLessThan(leaseMs + electionMs);
    expect(calm.world.judge.leaderEpochs.length - before).toBeLessThanOrEqual(1);
  }
});

test("a coordinator that is away for less than a lease is not noticed by clients", () => {
  const silenceMs = worst((calm) => {
    calm.world.etcd.isDown = true;
    const first = calm.silenceMs(2_000);
    calm.world.etcd.isDown = false;
    return Math.max(first, calm.silenceMs(5_000));
  });
  expect(silenceMs).toBeLessThan(500);
});
