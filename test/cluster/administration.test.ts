// What operators ask of a cluster, through the command line and a real listener, of members that are played.

import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { epoch, groupId, logSeq, type MemberId } from "../../src/base/brands.js";
import { createSystemClock, wallMs } from "../../src/base/clock.js";
import { silentLog } from "../../src/base/log.js";
import { Administration } from "../../src/cluster/administration.js";
import type { ClusterFacts } from "../../src/cluster/cluster-facts.js";
import { EtcdFault } from "../../src/cluster/etcd-fault.js";
import { createListener, type Listener } from "../../src/edge/listener.js";
import { createMetrics } from "../../src/edge/metrics.js";
import { ClusterServiceDefinition } from "../../src/gen/forebay/admin/v1/cluster_service.js";
import type {
  ChangeResult,
  ConfigurationChange,
  FollowerStatus,
  MemberStatus,
  Role,
} from "../../src/replication/ports.js";
import { type ClusterPort, createClusterHandlers } from "../../src/rpc/cluster-handlers.js";
import type { Configuration } from "../../src/store/replica-disk.js";
import { forebay } from "../cli/harness.js";
import { configurationOf, idOf, nodeOf } from "./etcd.js";

const group = groupId("a".repeat(32));

/** One node of a cluster of three, as it would be if all went as told. */
class PlayedNode {
  readonly changes: ConfigurationChange[] = [];
  readonly handOvers: (MemberId | undefined)[] = [];
  result: ChangeResult = { kind: "done", configuration: configurationOf(3, 8) };
  role: Role;
  facts: ClusterFacts | undefined;
  configuration = configurationOf(3, 7);
  /** How the others are, while this node leads. */
  others: readonly FollowerStatus[] = [
    follower(2),
    follower(3, {
      isConnected: false,
      silentMs: 4_200,
      durableSeq: logSeq(20),
      lagRecords: 100,
      lagBytes: 65_536,
      lagMs: 3_000,
    }),
  ];
  readonly #at: number;

  constructor(at: number, leader: number | undefined) {
    this.#at = at;
    this.role =
      at === leader
        ? { kind: "leader", epoch: epoch(4) }
        : { kind: "follower", leader: leader === undefined ? undefined : idOf(leader) };
    this.facts = factsOf(leader);
  }

  get port(): ClusterPort {
    return new Administration({
      cluster: "shop",
      node: `node-${this.#at}`,
      groupId: group,
      member: {
        status: () => this.#status(),
        changeConfiguration: (change, done) => {
          this.changes.push(change);
          queueMicrotask(() => done(this.result));
        },
        handOver: (target, done) => {
          this.handOvers.push(target);
          queueMicrotask(() => done(this.result));
        },
      },
      registry: {
        facts: async () => {
          if (this.facts === undefined) throw new EtcdFault("unavailable", "nobody answers");
          return this.facts;
        },
      },
      diskFreeBytes: () => 5_000,
    });
  }

  #status(): MemberStatus {
    return {
      id: idOf(this.#at),
      role: this.role,
      promisedEpoch: epoch(4),
      logEnd: { epoch: epoch(4), seq: logSeq(120), chain: Buffer.alloc(16) },
      commitSeq: logSeq(118),
      appliedSeq: logSeq(118),
      configuration: this.configuration,
      followers: this.role.kind === "leader" ? this.others : [],
      stalenessMs: 0,
      logBytes: 0,
      oldestReader: undefined,
    };
  }
}

function follower(at: number, changes: Partial<FollowerStatus> = {}): FollowerStatus {
  return {
    id: idOf(at),
    isConnected: true,
    durableSeq: logSeq(120),
    appliedSeq: logSeq(118),
    lagRecords: 0,
    lagBytes: 0,
    lagMs: 0,
    roundTripMs: 1.25,
    silentMs: 80.5,
    diskFreeBytes: 4_000,
    isTakingCopy: false,
    ...changes,
  };
}

const withoutVote = (at: number, configuration: Configuration): Configuration => ({
  ...configuration,
  members: configuration.members.map((one) =>
    one.id === idOf(at) ? { ...one, isVoter: false } : one,
  ),
});

function factsOf(leader: number | undefined): ClusterFacts {
  const registered = [1, 2, 3, 4, 5].map((at) => {
    const { cluster: _, ...description } = nodeOf(at);
    return { id: idOf(at), ...description, hasOwnData: at === 5 };
  });
  return {
    revision: 1n,
    groupId: group,
    configuration: configurationOf(3, 7),
    epoch: epoch(4),
    leader:
      leader === undefined
        ? undefined
        : { epoch: epoch(4), memberId: idOf(leader), node: `node-${leader}`, dataEndpoint: "x:1" },
    hint: undefined,
    nodes: new Map(registered.map(({ node, id }) => [node, id])),
    members: new Map(registered.map((member) => [member.id, member])),
    removed: new Map(),
  };
}

describe("forebay cluster", () => {
  const listeners: Listener[] = [];
  let leader: PlayedNode;
  let leaderAt: string;

  const serve = async (port: ClusterPort | undefined): Promise<string> => {
    const listener = createListener({
      clock: createSystemClock(),
      wallMs,
      log: silentLog,
      metrics: createMetrics("0.0.0"),
      listener: "management",
      connectionCountMax: 10,
      onOtherProtocol: (socket) => socket.destroy(),
    });
    listeners.push(listener);
    listener.add(ClusterServiceDefinition, createClusterHandlers(port));
    const { host, port: bound } = await listener.listen({ host: "127.0.0.1", port: 0 });
    return `${host}:${bound}`;
  };
  const run = (line: string, at = leaderAt) =>
    forebay(["cluster", ...line.split(" "), "--management", at]);

  beforeEach(async () => {
    leader = new PlayedNode(1, 1);
    leaderAt = await serve(leader.port);
  });
  afterEach(async () => {
    await Promise.all(listeners.splice(0).map((listener) => listener.drain(0)));
  });

  test("status shows every member, with how far it is behind", async () => {
    const { stdout, stderr, exitCode } = await run("status");
    expect({ exitCode, stdout }).toEqual({
      exitCode: 0,
      stdout: [
        "cluster shop, epoch 4, acks quorum, leader node-1, committed 118, configuration 7",
        "",
        "node    zone    votes  role      caught up  epoch  durable  applied  lag records  lag bytes  lag  last contact  applications at",
        "node-1  zone-1  yes    leader    yes        4      120      118      0            0          0s   0s ago        127.0.0.1:8001",
        "node-2  zone-2  yes    follower  yes        4      120      118      0            0          0s   81ms ago      127.0.0.1:8002",
        "node-3  zone-3  yes    away      no         0      20       118      100          65536      3s   4200ms ago    127.0.0.1:8003",
        "",
      ].join("\n"),
    });
    expect(stderr).toContain("forebay cluster add node-4");
    expect(stderr).toContain("Node node-5 in zone-5 has registered, and holds data of its own");
    expect(stderr).not.toContain("promote");
  });

  describe("of a member without a vote", () => {
    const learning = (changes: Partial<FollowerStatus>) => {
      leader.configuration = withoutVote(3, configurationOf(3, 7));
      leader.others = [follower(2), follower(3, changes)];
    };
    const advice = "Node node-3 has caught up. Give it a vote: forebay cluster promote node-3";

    test("status says when it has caught up, and what to do then", async () => {
      learning({ lagRecords: 1, lagMs: 1_000 });
      const { stdout, stderr } = await run("status");
      expect(stdout).toMatch(/^node-3 +zone-3 +no +follower +yes /m);
      expect(stderr).toContain(advice);
      const { members } = JSON.parse((await run("status -o json")).stdout);
      expect(members).toMatchObject([{}, {}, { progress: { hasCaughtUp: true } }]);
    });

    test.each<[string, Partial<FollowerStatus>]>([
      ["is more than a second behind", { lagMs: 1_001 }],
      ["takes a copy", { isTakingCopy: true }],
      ["does not answer", { isConnected: false }],
    ])("status says that it has not while it %s", async (_, changes) => {
      learning(changes);
      const { stdout, stderr } = await run("status");
      expect(stdout).toMatch(/^node-3 +zone-3 +no +\S.*? {2,}no /m);
      expect(stderr).not.toContain("promote");
      const { members } = JSON.parse((await run("status -o json")).stdout);
      expect(members).toMatchObject([{}, {}, { progress: { hasCaughtUp: false } }]);
    });

    test("nobody is told to promote it where its zone has a voter", async () => {
      learning({});
      leader.configuration = {
        ...leader.configuration,
        members: leader.configuration.members.map((one) => ({ ...one, zone: "zone-1" })),
      };
      expect((await run("status")).stderr).not.toContain("promote");
    });
  });

  test("status as JSON has everything in numbers", async () => {
    const { stdout } = await run("status -o json");
    expect(JSON.parse(stdout)).toMatchObject({
      cluster: "shop",
      groupId: group,
      leader: "node-1",
      epoch: 4,
      configurationVersion: 7,
      acks: "QUORUM",
      commitSeq: 118,
      members: [
        { node: "node-1", role: "LEADER", progress: { durableSeq: 120, diskFreeBytes: 5_000 } },
        { node: "node-2", role: "FOLLOWER", managementEndpoint: "127.0.0.1:9002" },
        {
          node: "node-3",
          role: "UNKNOWN",
          memberId: idOf(3),
          progress: { isConnected: false, lagRecordCount: 100, lagMs: 3_000, silentMs: 4_200 },
        },
      ],
      registeredNodes: [{ node: "node-4" }, { node: "node-5", hasOwnData: true }],
    });
  });

  test("changes go to the leader by the names of nodes", async () => {
    expect(await run("add node-4")).toMatchObject({
      exitCode: 0,
      stdout: expect.stringContaining("8"),
    });
    expect(await run("promote node-3 -o raw")).toMatchObject({ exitCode: 0 });
    expect(await run(`remove ${idOf(2)} -o json`)).toMatchObject({
      exitCode: 0,
      stdout: `${JSON.stringify({ configurationVersion: 8 }, undefined, 2)}\n`,
    });
    expect(await run("acks all")).toMatchObject({ exitCode: 0 });
    const { cluster: _cluster, managementEndpoint: _management, ...node } = nodeOf(4);
    // A voter has its vote already, and asking for it again changes nothing.
    expect(leader.changes).toEqual([
      { kind: "add_learner", member: { id: idOf(4), isVoter: false, ...node } },
      { kind: "remove", id: idOf(2) },
      { kind: "set_acks", acks: "all" },
    ]);
  });

  test("what is so already is done without a change", async () => {
    expect(await run("add node-2 -o raw")).toMatchObject({ exitCode: 0, stdout: "7\n" });
    expect(await run("promote node-2 -o raw")).toMatchObject({ exitCode: 0, stdout: "7\n" });
    expect(await run("acks quorum -o raw")).toMatchObject({ exitCode: 0, stdout: "7\n" });
    expect(leader.changes).toEqual([]);
  });

  test("a handover goes to the node named, or to whom the leader chooses", async () => {
    expect(await run("handover")).toMatchObject({ exitCode: 0 });
    expect(await run("handover node-2")).toMatchObject({ exitCode: 0 });
    expect(await run("handover node-9")).toMatchObject({
      exitCode: 3,
      stderr: expect.stringContaining("MEMBER_NOT_FOUND"),
    });
    expect(leader.handOvers).toEqual([undefined, idOf(2)]);
  });

  test("what stands in the way is said in words", async () => {
    leader.result = { kind: "refused", why: "It leads the group." };
    expect(await run("remove node-1")).toMatchObject({
      exitCode: 4,
      stderr: expect.stringContaining("CHANGE_REFUSED: It leads the group."),
    });
    expect(await run("add node-5")).toMatchObject({
      exitCode: 4,
      stderr: expect.stringContaining("holds data of its own"),
    });
    expect(await run("add node-9")).toMatchObject({
      exitCode: 3,
      stderr: expect.stringContaining("NODE_NOT_REGISTERED"),
    });
    expect(await run("remove node-9")).toMatchObject({ exitCode: 3 });
    expect(await run("acks most")).toMatchObject({ exitCode: 2 });
    expect(await run("add Node_4")).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining("INVALID_PARAMETER"),
    });
  });

  test("a node that does not lead sends who asks to the one that does", async () => {
    const other = new PlayedNode(2, 1);
    other.facts = withManagement(other.facts, leaderAt);
    const otherAt = await serve(other.port);
    expect(await run("acks all", otherAt)).toMatchObject({ exitCode: 0 });
    expect(leader.changes).toEqual([{ kind: "set_acks", acks: "all" }]);
    const { stdout, stderr } = await run("status", otherAt);
    expect(stdout).toContain("node-3  zone-3  yes    away");
    expect(stderr).not.toContain("does not lead");
  });

  test("while nobody leads changes are not possible, and status tells what is known", async () => {
    const other = new PlayedNode(2, undefined);
    const otherAt = await serve(other.port);
    expect(await run("acks all", otherAt)).toMatchObject({
      exitCode: 6,
      stderr: expect.stringContaining("NOT_LEADER"),
    });
    const { stdout, stderr } = await run("status", otherAt);
    expect(stdout).toContain("no leader");
    expect(stdout).toMatch(/node-1 +zone-1 +yes +unknown/);
    expect(stderr).toContain("This is what node node-2 knows");
  });

  test("a leader that cannot be reached leaves what the node asked knows", async () => {
    const other = new PlayedNode(2, 1);
    other.facts = withManagement(other.facts, "127.0.0.1:1");
    const { stdout, exitCode } = await run("status", await serve(other.port));
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/node-1 +zone-1 +yes +leader/);
  });

  test("without etcd, on a node that waits to take part, and on one that runs alone, it is said so", async () => {
    leader.facts = undefined;
    for (const line of ["status", "acks all", "handover"]) {
      expect(await run(line)).toMatchObject({
        exitCode: 6,
        stderr: expect.stringContaining("ETCD_UNAVAILABLE"),
      });
    }
    const joining = await serve({
      report: async () => ({ kind: "joining", waitsFor: "the cluster to be begun" }),
      change: async () => ({ kind: "joining", waitsFor: "the cluster to be begun" }),
    });
    for (const line of ["status", "acks all", "handover"]) {
      expect(await run(line, joining)).toMatchObject({
        exitCode: 4,
        stderr: expect.stringContaining("It waits for the cluster to be begun."),
      });
    }
    const alone = await serve(undefined);
    for (const line of ["status", "add node-4", "handover"]) {
      expect(await run(line, alone)).toMatchObject({
        exitCode: 4,
        stderr: expect.stringContaining("NOT_IN_CLUSTER"),
      });
    }
  });
});

function withManagement(facts: ClusterFacts | undefined, managementEndpoint: string): ClusterFacts {
  const known = facts?.members.get(idOf(1));
  if (facts === undefined || known === undefined) throw new Error("There is a first member.");
  return {
    ...facts,
    members: new Map(facts.members).set(idOf(1), { ...known, managementEndpoint }),
  };
}
