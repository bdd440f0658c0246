// Three real members of etcd, of which some fail: calls find another one, leases live on, and what a minority says is no answer.

import { expect, test } from "vitest";
import { MaintenanceService } from "../../src/gen/etcd/api/etcdserverpb/rpc.js";
import {
  callEtcd,
  clientOf,
  describeWithEtcd,
  etcdForTest,
  idOf,
  initialisedCluster,
  realClock,
  TestMember,
  wait,
} from "./etcd.js";

describeWithEtcd("a cluster of etcd", () => {
  test("the member asked first is gone: the same call is answered by the next", async () => {
    const etcd = await etcdForTest({ memberCount: 3 });
    const { keys } = await initialisedCluster(etcd);
    const member = new TestMember(etcd, { keys, at: 1 });
    await member.viewWhere(({ epoch }) => epoch === 0);
    await etcd.members[0]?.kill();
    // The others may have to choose a new leader first.
    await expect.poll(() => member.confirm(), { timeout: 10_000 }).toMatchObject({ epoch: 0 });
    expect(await member.wins()).toBeGreaterThan(0);
  });

  test("a port where nobody listens costs a call nothing", { retry: 2 }, async () => {
    const etcd = await etcdForTest();
    const { keys } = await initialisedCluster(etcd);
    const client = clientOf({ endpoints: ["127.0.0.1:1", ...etcd.endpoints] });
    const startedMs = realClock.monotonicMs();
    expect((await client.readAll(keys.prefix)).keys.size).toBeGreaterThan(0);
    expect(realClock.monotonicMs() - startedMs).toBeLessThan(900);
  });

  test("a member that stands still costs a leader no lease, and a watcher no change", async () => {
    const etcd = await etcdForTest({ memberCount: 3 });
    const { keys } = await initialisedCluster(etcd);
    const leader = new TestMember(etcd, { keys, at: 1 });
    const watcher = new TestMember(etcd, { keys, at: 2 });
    const won = await leader.wins();
    await watcher.viewWhere(({ epoch }) => epoch === won);
    etcd.members[0]?.pause();
    let least = Number.POSITIVE_INFINITY;
    for (let looks = 0; looks < 60; looks += 1) {
      await wait(100);
      least = Math.min(least, leader.coordinator.leaseDeadlineMs() - realClock.monotonicMs());
    }
    expect(least).toBeGreaterThan(0);
    leader.coordinator.resign(idOf(2));
    await watcher.viewWhere(({ leader: holder }) => holder === undefined, 3_000);
    expect(await watcher.wins()).toBeGreaterThan(won);
    etcd.members[0]?.resume();
  });

  test("without a majority of etcd nobody wins and nothing is confirmed, and it goes on by itself afterwards", async () => {
    const etcd = await etcdForTest({ memberCount: 3 });
    const { keys } = await initialisedCluster(etcd);
    const leader = new TestMember(etcd, { keys, at: 1 });
    const other = new TestMember(etcd, { keys, at: 2 });
    const won = await leader.wins();
    await other.viewWhere(({ epoch }) => epoch === won);
    await etcd.members[1]?.kill();
    await etcd.members[2]?.kill();
    expect(await other.confirm()).toBeUndefined();
    expect(await other.campaign(won)).toEqual({ kind: "unavailable" });
    await wait(5_000);
    expect(leader.coordinator.leaseDeadlineMs()).toBe(Number.NEGATIVE_INFINITY);
    etcd.members[1]?.start();
    await etcd.members[1]?.ready();
    // etcd grants leases a new time to live when it has a leader again.
    await other.viewWhere(({ leader: holder }) => holder === undefined, 15_000);
    expect(await other.wins()).toBeGreaterThan(won);
  });

  test("a change of etcd's own leader is no change of ours", async () => {
    const etcd = await etcdForTest({ memberCount: 3 });
    const { keys } = await initialisedCluster(etcd);
    const leader = new TestMember(etcd, { keys, at: 1 });
    const won = await leader.wins();
    const statuses = await Promise.all(
      etcd.endpoints.map((endpoint) =>
        callEtcd({ endpoints: [endpoint] }, MaintenanceService.status, {}),
      ),
    );
    const leads = statuses.findIndex(({ header, leader: id }) => header?.memberId === id);
    await etcd.members[leads]?.kill();
    await wait(4_500);
    expect(leader.coordinator.leaseDeadlineMs()).toBeGreaterThan(realClock.monotonicMs());
    await expect
      .poll(() => leader.confirm(), { timeout: 5_000 })
      .toMatchObject({ epoch: won, leader: idOf(1) });
  });
});
