// Real etcd for the tests of this folder, and members of a cluster that talk to it. Where etcd cannot be had, tests say so and do
// not run; where everything must run (CI=true) they fail instead.

import type { MethodDefinition } from "@grpc/grpc-js";
import { describe, onTestFinished } from "vitest";
import { etcdAbsence, findEtcd, startEtcd } from "../../scripts/support/etcd.mjs";
import {
  type Epoch,
  epoch,
  type GroupId,
  groupId,
  type MemberId,
  memberId,
} from "../../src/base/brands.js";
import { createSystemClock, wallMs } from "../../src/base/clock.js";
import { systemRandom } from "../../src/base/ids.js";
import { silentLog } from "../../src/base/log.js";
import {
  type CoordinatorTimes,
  coordinatorTimes,
  EtcdCoordinator,
} from "../../src/cluster/coordinator.js";
import { EtcdClient } from "../../src/cluster/etcd-client.js";
import { EtcdConnection, type EtcdSettings } from "../../src/cluster/etcd-connection.js";
import { ClusterKeys } from "../../src/cluster/keys.js";
import { ClusterRegistry } from "../../src/cluster/registry.js";
import type { OwnStore } from "../../src/cluster/start-rules.js";
import type { CampaignResult, CoordinatorView, MemberClock } from "../../src/replication/ports.js";
import type { Configuration } from "../../src/store/replica-disk.js";

const program = findEtcd();
if (program === undefined) {
  if (process.env["CI"] === "true") throw new Error(etcdAbsence);
  console.warn(etcdAbsence);
}

/** A suite that needs etcd. */
export function describeWithEtcd(name: string, suite: () => void): void {
  describe.runIf(program !== undefined)(name, suite);
}

type Etcd = Awaited<ReturnType<typeof startEtcd>>;

/** An etcd that nobody makes fail, for a suite: what it does not answer at once, a busy machine holds up. */
export async function runEtcd(): Promise<Etcd & EtcdSettings> {
  if (program === undefined) throw new Error(etcdAbsence);
  return { ...(await startEtcd(program)), callMs: 10_000 };
}

/** An etcd of a test's own. */
export async function etcdForTest(options?: Parameters<typeof startEtcd>[1]): Promise<Etcd> {
  if (program === undefined) throw new Error(etcdAbsence);
  const etcd = await startEtcd(program, options);
  onTestFinished(() => etcd.stop());
  return etcd;
}

/** For tests in which etcd fails nobody on purpose. */
export const patient = <Settings extends EtcdSettings>(settings: Settings): Settings => ({
  ...settings,
  callMs: 10_000,
});

export const realClock: MemberClock = { ...createSystemClock(), wallMs };
export const testGroup = groupId("0123456789abcdef0123456789abcdef");
export const idOf = (at: number): MemberId => memberId(at.toString(16).padStart(32, "0"));

let clusterCount = 0;
/** A name nobody else uses in this etcd. */
export function freshKeys(): ClusterKeys {
  clusterCount += 1;
  return new ClusterKeys(`test-${clusterCount}`);
}

export const nodeOf = (at: number, cluster = "test") => ({
  cluster,
  node: `node-${at}`,
  zone: `zone-${at}`,
  replicationEndpoint: `127.0.0.1:${7_000 + at}`,
  dataEndpoint: `127.0.0.1:${8_000 + at}`,
  managementEndpoint: `127.0.0.1:${9_000 + at}`,
});

export const storeOf = (at: number, group?: GroupId): OwnStore => ({
  memberId: idOf(at),
  groupId: group,
  hasOwnData: false,
});

export function clientOf(etcd: EtcdSettings): EtcdClient {
  const client = new EtcdClient(etcd, () => 0);
  onTestFinished(() => client.close());
  return client;
}

export function configurationOf(memberCount: number, version = 1): Configuration {
  const members = Array.from({ length: memberCount }, (_, at) => {
    const { cluster: _cluster, managementEndpoint: _management, ...node } = nodeOf(at + 1);
    return { id: idOf(at + 1), isVoter: true, ...node };
  });
  return { version, members, acks: "quorum" };
}

/** A cluster of so many registered members, initialised. */
export async function initialisedCluster(
  etcd: EtcdSettings,
  memberCount = 3,
): Promise<{ readonly keys: ClusterKeys; readonly registry: ClusterRegistry }> {
  const keys = freshKeys();
  const registry = new ClusterRegistry(clientOf(etcd), keys);
  for (let at = 1; at <= memberCount; at += 1) await registry.register(storeOf(at), nodeOf(at));
  await registry.initialise(testGroup, configurationOf(memberCount));
  return { keys, registry };
}

export class TestMember {
  readonly coordinator: EtcdCoordinator;
  readonly client: EtcdClient;
  readonly views: CoordinatorView[] = [];
  readonly #wakers = new Set<() => void>();

  constructor(
    etcd: EtcdSettings,
    {
      keys,
      at,
      times = {},
      clock = realClock,
      group = testGroup,
      isDeaf = false,
    }: {
      readonly keys: ClusterKeys;
      readonly at: number;
      readonly times?: Partial<CoordinatorTimes>;
      readonly clock?: MemberClock;
      readonly group?: GroupId;
      /** Its watch tells nothing. */
      readonly isDeaf?: boolean;
    },
  ) {
    this.client = new EtcdClient(etcd, () => 0);
    if (isDeaf) this.client.watch = () => () => undefined;
    this.coordinator = new EtcdCoordinator({
      client: this.client,
      keys,
      groupId: group,
      self: { id: idOf(at), node: `node-${at}`, dataEndpoint: "127.0.0.1:7400" },
      clock,
      random: systemRandom,
      log: silentLog,
      times: { ...coordinatorTimes(5), ...times },
      viewChanged: (view) => {
        this.views.push(view);
        for (const wake of this.#wakers) wake();
      },
    });
    this.coordinator.start();
    onTestFinished(async () => {
      await this.coordinator.stop();
      this.client.close();
    });
  }

  campaign(after: number): Promise<CampaignResult> {
    return new Promise((resolve) => this.coordinator.campaign(epoch(after), resolve));
  }

  takeOver(from: number): Promise<CampaignResult> {
    return new Promise((resolve) => this.coordinator.takeOver(epoch(from), resolve));
  }

  /** Campaigns until it wins, as an etcd that just lost a member may not answer the first time. */
  async wins(withinMs = 10_000): Promise<Epoch> {
    const endMs = realClock.monotonicMs() + withinMs;
    for (;;) {
      const view = await this.confirm();
      const result = view && (await this.campaign(view.epoch));
      if (result?.kind === "won") return result.epoch;
      if (realClock.monotonicMs() > endMs) throw new Error(`Not won: ${JSON.stringify(result)}`);
      await wait(100);
    }
  }

  confirm(): Promise<CoordinatorView | undefined> {
    return new Promise((resolve) => this.coordinator.confirm(resolve));
  }

  change(held: number, configuration: Configuration): Promise<string> {
    return new Promise((resolve) =>
      this.coordinator.changeConfiguration(epoch(held), configuration, resolve),
    );
  }

  /** The first view, now or later, for which `isIt` holds. */
  async viewWhere(
    isIt: (view: CoordinatorView) => boolean,
    withinMs = 10_000,
  ): Promise<CoordinatorView> {
    const endMs = realClock.monotonicMs() + withinMs;
    for (;;) {
      const view = this.coordinator.view();
      if (view !== undefined && isIt(view)) return view;
      const leftMs = endMs - realClock.monotonicMs();
      if (leftMs <= 0) throw new Error(`No such view in ${withinMs} ms: ${JSON.stringify(view)}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(wake, leftMs);
        const wakers = this.#wakers;
        function wake(): void {
          clearTimeout(timer);
          wakers.delete(wake);
          resolve();
        }
        wakers.add(wake);
      });
    }
  }
}

export const epochOf = (result: CampaignResult): Epoch | undefined =>
  result.kind === "won" ? result.epoch : undefined;

/** Calls etcd as the product does not. */
export async function callEtcd<Request, Response>(
  etcd: EtcdSettings,
  method: MethodDefinition<Request, Response>,
  request: Request,
): Promise<Response> {
  const connection = new EtcdConnection(etcd, () => 0);
  try {
    return await connection.call(method, request, { isRepeatable: false });
  } finally {
    connection.close();
  }
}

export const wait = (delayMs: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, delayMs);
  });
