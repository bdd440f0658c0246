// The coordinator over one real member of etcd: epochs, leases, hints, configurations and watches.

import { afterAll, beforeAll, expect, test } from "vitest";
import { epoch, groupId } from "../../src/base/brands.js";
import { callMsDefault } from "../../src/cluster/etcd-connection.js";
import { KVService } from "../../src/gen/etcd/api/etcdserverpb/rpc.js";
import {
  callEtcd,
  clientOf,
  configurationOf,
  describeWithEtcd,
  epochOf,
  etcdForTest,
  idOf,
  initialisedCluster,
  nodeOf,
  patient,
  realClock,
  runEtcd,
  storeOf,
  TestMember,
  testGroup,
  wait,
} from "./etcd.js";

describeWithEtcd("the coordinator", () => {
  let etcd: Awaited<ReturnType<typeof runEtcd>>;
  beforeAll(async () => {
    etcd = await runEtcd();
  });
  afterAll(() => etcd?.stop());

  test("of many candidates one wins each epoch, and the others are told who", async () => {
    const { keys } = await initialisedCluster(etcd);
    const members = Array.from(
      { length: 12 },
      (_, at) => new TestMember(etcd, { keys, at: at + 1 }),
    );
    for (let last = 0; last < 8; last += 1) {
      const results = await Promise.all(members.map((member) => member.campaign(last)));
      const winners = results.filter(({ kind }) => kind === "won");
      expect(winners).toEqual([{ kind: "won", epoch: last + 1 }]);
      const winner = results.findIndex(({ kind }) => kind === "won");
      for (const result of results) {
        if (result.kind === "won") continue;
        expect(result).toMatchObject({
          kind: "lost",
          view: { epoch: last + 1, leader: idOf(winner + 1) },
        });
      }
      members[winner]?.coordinator.resign(undefined);
      await members[0]?.viewWhere(
        ({ leader, epoch: seen }) => seen === last + 1 && leader === undefined,
      );
    }
  });

  test("an epoch that is not the next one is won by nobody", async () => {
    const { keys } = await initialisedCluster(etcd);
    const member = new TestMember(etcd, { keys, at: 1 });
    expect(await member.campaign(1)).toMatchObject({ kind: "lost", view: { epoch: 0 } });
    expect(epochOf(await member.campaign(0))).toBe(1);
  });

  test("while somebody holds an epoch nobody wins the next, and the view names the holder", async () => {
    const { keys } = await initialisedCluster(etcd);
    const leader = new TestMember(etcd, { keys, at: 1 });
    const other = new TestMember(etcd, { keys, at: 2 });
    expect(epochOf(await leader.campaign(0))).toBe(1);
    expect(await other.campaign(1)).toMatchObject({ kind: "lost", view: { leader: idOf(1) } });
    expect(await other.confirm()).toMatchObject({ epoch: 1, leader: idOf(1) });
    expect(leader.coordinator.isLeaseProven()).toBe(true);
    expect(other.coordinator.leaseDeadlineMs()).toBe(Number.NEGATIVE_INFINITY);
    expect(other.coordinator.isLeaseProven()).toBe(false);
  });

  test("a leader that no longer renews is gone after its time to live, and not before its deadline", async () => {
    const { keys } = await initialisedCluster(etcd);
    const times = { leaseTtlSeconds: 2, leaseMarginMs: 500, renewMs: 600_000 };
    const leader = new TestMember(etcd, { keys, at: 1, times });
    const other = new TestMember(etcd, { keys, at: 2 });
    expect(epochOf(await leader.campaign(0))).toBe(1);
    const deadlineMs = leader.coordinator.leaseDeadlineMs();
    // It is cut off, and could not give its lease back if it wanted to.
    leader.client.close();
    await other.viewWhere(({ epoch: seen, leader: holder }) => seen === 1 && holder !== undefined);
    await other.viewWhere(({ leader: holder }) => holder === undefined);
    const goneMs = realClock.monotonicMs();
    expect(goneMs).toBeGreaterThan(deadlineMs);
    expect(goneMs).toBeLessThan(deadlineMs + 500 + 2_000);
    expect(leader.coordinator.leaseDeadlineMs()).toBe(Number.NEGATIVE_INFINITY);
    expect(epochOf(await other.campaign(1))).toBe(2);
  });

  test("a lease that is renewed outlives its time to live", async () => {
    const { keys } = await initialisedCluster(etcd);
    const times = { leaseTtlSeconds: 2, leaseMarginMs: 500, renewMs: 300 };
    const leader = new TestMember(etcd, { keys, at: 1, times });
    await leader.campaign(0);
    const firstDeadlineMs = leader.coordinator.leaseDeadlineMs();
    await wait(3_500);
    const deadlineMs = leader.coordinator.leaseDeadlineMs();
    expect(deadlineMs).toBeGreaterThan(firstDeadlineMs + 2_500);
    expect(deadlineMs).toBeGreaterThan(realClock.monotonicMs());
    expect(await leader.confirm()).toMatchObject({ epoch: 1, leader: idOf(1) });
  });

  test("a leader that resigns makes way at once, with a hint that ends by itself", async () => {
    const { keys } = await initialisedCluster(etcd);
    const times = { leaseTtlSeconds: 2, leaseMarginMs: 500 };
    const leader = new TestMember(etcd, { keys, at: 1, times });
    const other = new TestMember(etcd, { keys, at: 2 });
    await leader.campaign(0);
    await other.viewWhere(({ leader: holder }) => holder === idOf(1));
    leader.coordinator.resign(idOf(3));
    expect(leader.coordinator.leaseDeadlineMs()).toBe(Number.NEGATIVE_INFINITY);
    const view = await other.viewWhere(({ leader: holder }) => holder === undefined, 1_500);
    expect(view.hint).toBe(idOf(3));
    // No view between the two, in which the way is free and nobody hinted at.
    expect(
      other.views.filter(
        ({ leader: holder, hint, epoch: seen }) =>
          seen === 1 && holder === undefined && hint === undefined,
      ),
    ).toEqual([]);
    await other.viewWhere(({ hint }) => hint === undefined);
  });

  test("a handover mints the next epoch while the last is still held, once", async () => {
    const { keys } = await initialisedCluster(etcd);
    const leader = new TestMember(etcd, { keys, at: 1 });
    const next = new TestMember(etcd, { keys, at: 2 });
    const late = new TestMember(etcd, { keys, at: 3 });
    await leader.campaign(0);
    expect(epochOf(await next.takeOver(1))).toBe(2);
    expect(await late.takeOver(1)).toMatchObject({
      kind: "lost",
      view: { epoch: 2, leader: idOf(2) },
    });
    // The old holder gives back its lease, which no longer has the key.
    leader.coordinator.resign(idOf(3));
    expect(await leader.change(1, configurationOf(3, 2))).toBe("refused");
    await wait(300);
    expect(await late.confirm()).toMatchObject({ epoch: 2, leader: idOf(2), hint: undefined });
  });

  test("only the holder of the epoch stores the next configuration, and may repeat it", async () => {
    const { keys } = await initialisedCluster(etcd);
    const leader = new TestMember(etcd, { keys, at: 1 });
    const other = new TestMember(etcd, { keys, at: 2 });
    await leader.campaign(0);
    const next = { ...configurationOf(3, 2), acks: "all" as const };
    expect(await other.change(1, next)).toBe("refused");
    expect(await leader.change(2, next)).toBe("refused");
    expect(await leader.change(1, { ...next, version: 3 })).toBe("refused");
    expect(await leader.change(1, next)).toBe("stored");
    expect(await leader.change(1, next)).toBe("stored");
    expect(await leader.change(1, configurationOf(3, 2))).toBe("refused");
    const view = await other.viewWhere(({ configuration }) => configuration.version === 2);
    expect(view.configuration).toEqual(next);
  });

  test("a leader whose place was taken stores no configuration, though it does not know yet", async () => {
    const { keys } = await initialisedCluster(etcd);
    const leader = new TestMember(etcd, { keys, at: 1 });
    const next = new TestMember(etcd, { keys, at: 2 });
    await leader.campaign(0);
    await next.takeOver(1);
    expect(await leader.change(1, configurationOf(3, 2))).toBe("refused");
    expect(await next.change(2, configurationOf(3, 2))).toBe("stored");
  });

  test("a leader whose lease is gone stores no configuration, though nobody took its place", async () => {
    const { keys } = await initialisedCluster(etcd);
    const leader = new TestMember(etcd, { keys, at: 1, times: { renewMs: 600_000 } });
    await leader.campaign(0);
    await clientOf(etcd).transact([], [{ kind: "delete", key: keys.leader }]);
    expect(await leader.change(1, configurationOf(3, 2))).toBe("refused");
  });

  test("a member that was removed has a tombstone, is no longer registered and never comes back", async () => {
    const { keys, registry } = await initialisedCluster(etcd);
    const leader = new TestMember(etcd, { keys, at: 1 });
    await leader.campaign(0);
    expect(await leader.change(1, configurationOf(2, 2))).toBe("stored");
    const facts = await registry.facts();
    expect([...facts.removed]).toEqual([[idOf(3), { node: "node-3", configurationVersion: 2 }]]);
    expect([...facts.nodes.keys()]).toEqual(["node-1", "node-2"]);
    expect([...facts.members.keys()]).toEqual([idOf(1), idOf(2)]);
    expect(await leader.change(1, configurationOf(3, 3))).toBe("refused");
    const decision = await registry.register(storeOf(3, testGroup), nodeOf(3));
    expect(decision).toMatchObject({ kind: "refuse", why: expect.stringContaining("removed") });
  });

  test("a node that registered another member meanwhile keeps it when the former one is removed", async () => {
    const { keys, registry } = await initialisedCluster(etcd);
    const leader = new TestMember(etcd, { keys, at: 1 });
    await leader.campaign(0);
    const learner = {
      ...configurationOf(3, 2),
      members: configurationOf(3).members.map((member) => ({
        ...member,
        isVoter: member.id !== idOf(3),
      })),
    };
    expect(await leader.change(1, learner)).toBe("stored");
    expect(await registry.register(storeOf(9), nodeOf(3))).toMatchObject({ kind: "register" });
    expect(await leader.change(1, configurationOf(2, 3))).toBe("stored");
    expect((await registry.facts()).nodes.get("node-3")).toBe(idOf(9));
  });

  test("a change is told by the watch, long before anybody looks", async () => {
    const { keys } = await initialisedCluster(etcd);
    const leader = new TestMember(etcd, { keys, at: 1 });
    const watcher = new TestMember(etcd, { keys, at: 2, times: { lookMs: 600_000 } });
    await watcher.viewWhere(({ epoch: seen }) => seen === 0);
    await wait(300);
    await leader.campaign(0);
    await watcher.viewWhere(({ epoch: seen }) => seen === 1, 1_000);
  });

  test("a change is found by looking where the watch tells nothing", async () => {
    const { keys } = await initialisedCluster(etcd);
    const leader = new TestMember(etcd, { keys, at: 1 });
    const looker = new TestMember(etcd, { keys, at: 2, times: { lookMs: 200 }, isDeaf: true });
    await looker.viewWhere(({ epoch: seen }) => seen === 0);
    await leader.campaign(0);
    await looker.viewWhere(({ epoch: seen }) => seen === 1, 1_500);
  });

  test("an epoch that went back, as after a restore from a backup, is told as it is", async () => {
    const { keys } = await initialisedCluster(etcd);
    const member = new TestMember(etcd, { keys, at: 1 });
    for (let won = 0; won < 3; ) won = await member.wins();
    await member.viewWhere(({ epoch: seen }) => seen === 3);
    await clientOf(etcd).transact(
      [],
      [
        { kind: "put", key: keys.epoch, value: "1" },
        { kind: "delete", key: keys.leader },
      ],
    );
    await member.viewWhere(({ epoch: seen }) => seen === 1);
  });

  test("the epoch is raised above what members promised, and never lowered", async () => {
    const { registry } = await initialisedCluster(etcd);
    expect(await registry.raiseEpoch(epoch(7))).toBe(true);
    expect(await registry.raiseEpoch(epoch(7))).toBe(false);
    expect(await registry.raiseEpoch(epoch(3))).toBe(false);
    expect((await registry.facts()).epoch).toBe(7);
  });

  test("what etcd says of another group is no answer, and nothing is won there", async () => {
    const { keys, registry } = await initialisedCluster(etcd);
    const stranger = new TestMember(etcd, { keys, at: 1, group: groupId("f".repeat(32)) });
    expect(await stranger.confirm()).toBeUndefined();
    expect(stranger.coordinator.view()).toBeUndefined();
    expect(await stranger.campaign(0)).toEqual({ kind: "unavailable" });
    expect(await stranger.takeOver(0)).toEqual({ kind: "unavailable" });
    expect((await registry.facts()).epoch).toBe(0);
  });

  test("a value that nobody of ours wrote is no answer either", async () => {
    const { keys } = await initialisedCluster(etcd);
    const member = new TestMember(etcd, { keys, at: 1 });
    await clientOf(etcd).transact([], [{ kind: "put", key: keys.configuration, value: "{}" }]);
    expect(await member.confirm()).toBeUndefined();
  });

  test("history that was compacted away hides no change", async () => {
    const { keys } = await initialisedCluster(etcd);
    const watcher = new TestMember(etcd, { keys, at: 2, times: { lookMs: 600_000 } });
    const leader = new TestMember(etcd, { keys, at: 1 });
    await watcher.viewWhere(({ epoch: seen }) => seen === 0);
    for (let won = 0; won < 20; ) won = await leader.wins();
    const { revision } = await clientOf(etcd).readAll(keys.prefix);
    await callEtcd(etcd, KVService.compact, { revision, physical: true });
    await watcher.viewWhere(({ epoch: seen }) => seen === 20, 2_000);
    const won = await leader.wins();
    await watcher.viewWhere(({ epoch: seen }) => seen === won, 2_000);
  });
});

describeWithEtcd("the coordinator, when etcd fails", () => {
  test("a restart of etcd is lived through: the lease goes on, and changes are heard of again", async () => {
    const etcd = await etcdForTest();
    const [server] = etcd.members;
    const { keys } = await initialisedCluster(etcd);
    const leader = new TestMember(etcd, { keys, at: 1 });
    const watcher = new TestMember(etcd, { keys, at: 2, times: { lookMs: 600_000 } });
    const won = await leader.wins();
    await watcher.viewWhere(({ epoch: seen }) => seen === won);
    await server?.restart();
    await wait(2_500);
    expect(leader.coordinator.leaseDeadlineMs()).toBeGreaterThan(realClock.monotonicMs());
    leader.coordinator.resign(undefined);
    await watcher.viewWhere(({ leader: holder }) => holder === undefined, 3_000);
    expect(await watcher.wins()).toBeGreaterThan(won);
  });

  test("while etcd stands still calls end in time, a lease runs out for good, and a candidate waits", async () => {
    const etcd = await etcdForTest();
    const [server] = etcd.members;
    const { keys } = await initialisedCluster(etcd);
    const times = { leaseTtlSeconds: 4, leaseMarginMs: 1_000, renewMs: 300 };
    const leader = new TestMember(etcd, { keys, at: 1, times });
    const other = new TestMember(etcd, { keys, at: 2 });
    const won = await leader.wins();
    await other.viewWhere(({ epoch: seen }) => seen === won);
    server?.pause();
    const pausedMs = realClock.monotonicMs();
    expect(await other.confirm()).toBeUndefined();
    expect(realClock.monotonicMs() - pausedMs).toBeLessThan(callMsDefault + 700);
    expect(await other.campaign(won)).toEqual({ kind: "unavailable" });
    await wait(Math.max(0, pausedMs + 3_300 - realClock.monotonicMs()));
    expect(leader.coordinator.leaseDeadlineMs()).toBe(Number.NEGATIVE_INFINITY);
    server?.resume();
    // It may be renewed by a request that waited in etcd, and still is over.
    await wait(500);
    expect(leader.coordinator.leaseDeadlineMs()).toBe(Number.NEGATIVE_INFINITY);
    await other.viewWhere(({ leader: holder }) => holder === undefined);
    expect(await other.wins()).toBeGreaterThan(won);
  });

  test("a campaign whose answer was lost leaves no leader behind", async () => {
    const etcd = await etcdForTest();
    const [server] = etcd.members;
    const { keys } = await initialisedCluster(etcd);
    const candidate = new TestMember(etcd, { keys, at: 1, times: { leaseTtlSeconds: 30 } });
    const other = new TestMember(etcd, { keys, at: 2 });
    await other.viewWhere(({ epoch: seen }) => seen === 0);
    const original = candidate.client.transact.bind(candidate.client);
    candidate.client.transact = async (...transaction) => {
      candidate.client.transact = original;
      await original(...transaction);
      server?.pause();
      return original(...transaction);
    };
    expect(await candidate.campaign(0)).toEqual({ kind: "unavailable" });
    server?.resume();
    // Given back, as it would not have ended yet.
    await other.viewWhere(({ epoch: seen, leader }) => seen === 1 && leader === undefined);
    expect(await other.wins()).toBeGreaterThan(1);
  });

  test("a campaign that is asked twice and had happened the first time is won", async () => {
    const etcd = patient(await etcdForTest());
    const { keys } = await initialisedCluster(etcd);
    const candidate = new TestMember(etcd, { keys, at: 1 });
    const original = candidate.client.transact.bind(candidate.client);
    candidate.client.transact = async (...transaction) => {
      await original(...transaction);
      return original(...transaction);
    };
    expect(await candidate.campaign(0)).toEqual({ kind: "won", epoch: 1 });
    expect(await candidate.confirm()).toMatchObject({ epoch: 1, leader: idOf(1) });
  });
});
