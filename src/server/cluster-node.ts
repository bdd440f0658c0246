// A node's part in its cluster: the member of the replicated group with everything it stands on, and what the rest of the node
// makes of it: a term while it leads, reads while it follows, and calls passed on.
//
// A member begins as soon as its store knows its group, whether etcd answers or not: it can follow and keep records without.
// Before that it has to register, and to wait until an operator begins the cluster.

import type { EpochMs, MemberId } from "../base/brands.js";
import type { Clock } from "../base/clock.js";
import { sleep, wallMs } from "../base/clock.js";
import type { Ids } from "../base/ids.js";
import { fractionOf, systemRandom } from "../base/ids.js";
import type { Log } from "../base/log.js";
import { Administration } from "../cluster/administration.js";
import type { EtcdCoordinator } from "../cluster/coordinator.js";
import { EtcdClient } from "../cluster/etcd-client.js";
import { readEtcdSettings } from "../cluster/etcd-settings.js";
import { ClusterKeys } from "../cluster/keys.js";
import { ClusterRegistry } from "../cluster/registry.js";
import type { NodeDescription } from "../cluster/start-rules.js";
import type { Address } from "../config/address.js";
import type { Config } from "../config/settings.js";
import type { PageRequest, PageResponse } from "../delivery/pages.js";
import type { CallRouter } from "../edge/call-router.js";
import type { ClusterMetrics } from "../edge/cluster-metrics.js";
import { Forwarders, inTheClear } from "../edge/forwarder.js";
import type { Readiness } from "../edge/health.js";
import type { Metrics } from "../edge/metrics.js";
import type { Engine } from "../engine/engine.js";
import { createMember } from "../replication/member.js";
import type { CopyProgress, ReplicationMember, Role } from "../replication/ports.js";
import type { PeerNetwork } from "../replication/transport/peer-network.js";
import type { ClusterPort } from "../rpc/cluster-handlers.js";
import type { MemberState } from "../store/replica-disk.js";
import type { ReplicaStore } from "../store/replica-store.js";
import { clusterBegun, type JoinParts, register } from "./cluster-join.js";
import { ClusterPages } from "./cluster-pages.js";
import { ClusterRouter } from "./cluster-router.js";
import { clusterReadiness, clusterState, joiningState } from "./cluster-status.js";
import { FullDisk } from "./full-disk.js";
import { GroupView } from "./group-view.js";
import { joiningRouter } from "./joining-router.js";
import { LeadershipTerms } from "./leadership-terms.js";
import { coordinatorOf } from "./member-coordinator.js";
import { hasGroup, holdsOwnData, joinGroup } from "./member-identity.js";
import { networkOf } from "./member-network.js";
import { memberSettings } from "./member-settings.js";
import { MovedMembers } from "./moved-members.js";
import { createPassedOnCalls } from "./passed-on-calls.js";
import type { PushRules } from "./push-service.js";

export interface ClusterNodeParts {
  readonly config: Config;
  readonly replica: ReplicaStore;
  readonly state: MemberState;
  readonly node: NodeDescription;
  /** Where other nodes connect. */
  readonly replicationAddress: Address;
  readonly clock: Clock;
  /** The clock of each term, by the last instant of the state; undefined: the system's. */
  readonly termClock: ((notBefore: EpochMs) => Clock) | undefined;
  readonly ids: Ids;
  readonly metrics: Metrics;
  readonly pushRules: PushRules;
  readonly log: Log;
  /** The process must end. */
  readonly failed: (error: Error) => void;
}

/** What there is once the group is known. */
interface Membership {
  readonly member: ReplicationMember;
  readonly network: PeerNetwork;
  readonly coordinator: EtcdCoordinator;
  readonly terms: LeadershipTerms;
  readonly view: GroupView;
  readonly router: CallRouter;
  readonly administration: Administration;
  readonly moved: MovedMembers;
  readonly fullDisk: FullDisk;
}

const randomFraction = fractionOf(systemRandom);
/** How long a node that stops waits for another to take over. */
const handoverMsMax = 5_000;
/** How long it waits before that for what it has decided. */
const settleMsMax = 500;
const settleLookMs = 5;

export class ClusterNode {
  readonly #parts: ClusterNodeParts;
  readonly #client: EtcdClient;
  readonly #keys: ClusterKeys;
  readonly #registry: ClusterRegistry;
  readonly #forwarders: Forwarders;
  /** What other nodes pass on to this one, where nodes have certificates. */
  readonly #passedOn: ReturnType<typeof createPassedOnCalls>;
  readonly #metrics: ClusterMetrics;
  readonly #copies = new Map<string, CopyProgress>();
  #membership: Membership | undefined;
  #waitsFor = "etcd";
  /** It is about to stop: if it is elected once more, it lets another one lead at once. */
  #isLeaving = false;
  #isStopped = false;
  #joining: Promise<void> = Promise.resolve();

  constructor(parts: ClusterNodeParts) {
    const { config, metrics } = parts;
    this.#parts = parts;
    this.#forwarders = new Forwarders(
      parts.clock,
      (leader) => this.#membership?.network.callsWayTo(leader) ?? inTheClear(leader),
    );
    this.#passedOn = createPassedOnCalls({ ...parts, router: this.router });
    this.#client = new EtcdClient(readEtcdSettings(config), randomFraction);
    this.#keys = new ClusterKeys(config.clusterName);
    this.#registry = new ClusterRegistry(this.#client, this.#keys);
    this.#metrics = metrics.addCluster(() => {
      const membership = this.#membership;
      if (membership === undefined) return joiningState;
      const { member, network } = membership;
      return clusterState(member.status(), {
        logBaseSeq: parts.replica.disk.load()?.logBase.seq ?? 0,
        peers: network.status(),
        copies: [...this.#copies.values()],
      });
    });
  }

  /** Where calls go, at any time. */
  readonly router: CallRouter = {
    place: (call) => (this.#membership?.router ?? joiningRouter).place(call),
    trailers: () => (this.#membership?.router ?? joiningRouter).trailers(),
  };

  readonly #pages = new ClusterPages({
    router: this.router,
    certificate: async (name) => await this.#membership?.view.certificate(name),
  });

  /** What operators ask and change. */
  readonly port: ClusterPort = {
    report: async () =>
      this.#membership === undefined
        ? { kind: "joining", waitsFor: this.#waitsFor }
        : this.#membership.administration.report(),
    change: async (asked) =>
      this.#membership === undefined
        ? { kind: "joining", waitsFor: this.#waitsFor }
        : this.#membership.administration.change(asked),
  };

  /** The engine, while this node leads. */
  get engine(): Engine | undefined {
    return this.#membership?.terms.term?.engine;
  }

  answerPage(request: PageRequest): Promise<PageResponse> {
    return this.#pages.answer(request);
  }

  get movesRunning(): number {
    return this.#membership?.terms.term?.movesRunning ?? 0;
  }

  readiness(): Readiness {
    const membership = this.#membership;
    return membership === undefined
      ? clusterReadiness({ kind: "joining", waitsFor: this.#waitsFor })
      : clusterReadiness({
          kind: "member",
          view: membership.view,
          isStorageFull: this.engine?.isStorageFull ?? false,
          copy: [...this.#copies.values()].find(({ direction }) => direction === "taking"),
        });
  }

  /** Resolves once the node takes part, or waits to; throws an OperatorFault when it may not. */
  async start(): Promise<void> {
    const { state } = this.#parts;
    if (hasGroup(state)) {
      await this.#takePart(state);
      this.#joining = register(this.#join(state)).catch((error: unknown) => this.#fail(error));
      return;
    }
    await register(this.#join(state));
    this.#joining = this.#beginWhenAsked(state).catch((error: unknown) => this.#fail(error));
  }

  #fail(error: unknown): void {
    if (!this.#isStopped)
      this.#parts.failed(error instanceof Error ? error : new Error(String(error)));
  }

  #join(state: MemberState): JoinParts {
    const { node, clock, log } = this.#parts;
    return {
      registry: this.#registry,
      own: {
        memberId: state.memberId,
        groupId: hasGroup(state) ? state.groupId : undefined,
        hasOwnData: holdsOwnData(state),
      },
      node,
      clock,
      log,
      isStopped: () => this.#isStopped,
      waitsFor: (what) => {
        this.#waitsFor = what;
      },
    };
  }

  async #beginWhenAsked(state: MemberState): Promise<void> {
    const facts = await clusterBegun(this.#join(state));
    if (facts === undefined) return;
    const { disk } = this.#parts.replica;
    const joined = await joinGroup(disk, state, facts.groupId, facts.configuration);
    if (!this.#isStopped) await this.#takePart(joined);
  }

  async #takePart(state: MemberState): Promise<void> {
    const { config, replica, node, clock, ids, metrics, log, failed } = this.#parts;
    // Each part calls others back, so each is found when it is needed.
    const here = (): Membership => {
      if (this.#membership === undefined) throw new Error("the member has not begun");
      return this.#membership;
    };
    const network = networkOf(
      { ...this.#parts, passedOn: this.#passedOn },
      state,
      () => this.#membership?.member,
    );
    const coordinator = coordinatorOf(
      { ...this.#parts, client: this.#client, keys: this.#keys },
      state,
      () => this.#membership?.member,
    );
    const terms = new LeadershipTerms({
      replica,
      member: () => here().member,
      configuration: () => here().view.configuration,
      ids,
      config,
      metrics,
      clusterMetrics: this.#metrics,
      pushRules: this.#parts.pushRules,
      log,
      endpoint: node.dataEndpoint,
      clock: this.#parts.termClock,
      failed,
    });
    const view = new GroupView({
      replica,
      member: () => here().member,
      coordinator,
      isRemoved: () => coordinator.facts?.removed.has(state.memberId) ?? false,
      terms,
      clock,
      ids,
      config,
      log,
      endpoint: node.dataEndpoint,
    });
    const member = createMember({
      id: state.memberId,
      disk: replica.disk,
      network,
      coordinator,
      clock: { monotonicMs: clock.monotonicMs, setTimer: clock.setTimer, wallMs },
      random: randomFraction,
      settings: memberSettings(config),
      observer: {
        // What is told may not call back into the member, and what follows from a role does.
        roleChanged: (role) => queueMicrotask(() => this.#roleChanged(role)),
        configurationChanged: (configuration) => network.setConfiguration(configuration),
        applied: (seq) => view.applied(seq),
        copyProgress: (progress) => this.#copyProgress(progress),
        recordsLost: (count) => this.#metrics.recordsLost(count),
        failed,
      },
    });
    const router = new ClusterRouter(view, clock, (leader) => this.#forwarders.to(leader));
    const administration = new Administration({
      cluster: config.clusterName,
      node: config.nodeName,
      groupId: state.groupId,
      member,
      registry: this.#registry,
      diskFreeBytes: () => replica.disk.freeBytes(),
    });
    const moved = new MovedMembers({ member, facts: () => coordinator.facts, clock, log });
    const fullDisk = new FullDisk({
      member,
      isFull: () => this.engine?.isStorageFull ?? false,
      reserveBytes: config.storageReserveBytes,
      handOver: (target) => this.handOver(target),
      clock,
      log,
    });
    this.#membership = {
      member,
      network,
      coordinator,
      terms,
      view,
      router,
      administration,
      moved,
      fullDisk,
    };
    // Whoever found it is in the middle of a decision.
    replica.onSpoiltRow((corrupt) => queueMicrotask(() => member.spoilt(corrupt.message)));
    await network.listen(this.#parts.replicationAddress);
    network.setConfiguration(state.configuration);
    coordinator.start();
    member.start();
    moved.start();
    fullDisk.start();
    log.info({ cluster: config.clusterName, member: state.memberId }, "taking part");
  }

  #roleChanged(role: Role): void {
    const membership = this.#membership;
    if (membership === undefined || this.#isStopped) return;
    this.#parts.log.info(
      { role: role.kind, ...("epoch" in role && { epoch: role.epoch }) },
      "role",
    );
    if (role.kind === "quarantined") {
      const message =
        "what this member has stored is spoilt; it takes part in nothing until it is replaced";
      this.#parts.log.error({ why: role.why }, message);
    }
    if (role.kind === "leader") this.#metrics.elected();
    membership.view.roleChanged(role);
    if (role.kind === "leader" && this.#isLeaving) {
      membership.member.handOver(undefined, () => undefined);
      return;
    }
    membership.terms.roleChanged(role);
    const leader = membership.view.leader();
    if (leader !== undefined) this.#forwarders.leads(leader);
  }

  #copyProgress(progress: CopyProgress): void {
    const key = `${progress.direction} ${progress.peer}`;
    if (progress.isDone) this.#copies.delete(key);
    else this.#copies.set(key, progress);
  }

  /** Lets another node lead, the most advanced unless one is named, if this one does and another can. Bounded. */
  async handOver(target?: MemberId): Promise<void> {
    const membership = this.#membership;
    if (membership?.member.status().role.kind !== "leader") return;
    const { clock, log } = this.#parts;
    membership.terms.closeToNew(true);
    await this.#settled();
    const result = await Promise.race([
      new Promise<{ readonly kind: string; readonly why?: string }>((resolve) =>
        membership.member.handOver(target, resolve),
      ),
      sleep(clock, handoverMsMax).then(() => ({ kind: "refused", why: "it took too long" })),
    ]);
    if (result.kind === "done") log.info({}, "handed over");
    else {
      log.warn({ why: result.why }, "not handed over");
      membership.terms.closeToNew(false);
    }
  }

  /** As `handOver`, because this node stops. */
  async leave(): Promise<void> {
    this.#isLeaving = true;
    await this.handOver();
  }

  /** What is decided is given a moment to be committed, so that few callers have to ask again. */
  async #settled(): Promise<void> {
    const { clock } = this.#parts;
    const endMs = clock.monotonicMs() + settleMsMax;
    while ((this.engine?.pendingCount ?? 0) > 0 && clock.monotonicMs() < endMs) {
      await sleep(clock, settleLookMs);
    }
  }

  /** As a listener's: of what other nodes pass on. */
  async drain(graceMs: number): Promise<void> {
    await this.#passedOn.drain(graceMs);
  }

  /** Ends everything; `callsEnd` waits for the calls under way. The store can be closed afterwards. */
  async stop(callsEnd: () => Promise<void>): Promise<void> {
    const membership = this.#membership;
    const end = async (): Promise<void> => {
      this.#forwarders.endLongCalls();
      await callsEnd();
    };
    if (membership === undefined) await end();
    else await membership.terms.stop(end);
    this.#isStopped = true;
    this.#forwarders.close();
    membership?.moved.stop();
    membership?.fullDisk.stop();
    membership?.member.stop();
    await membership?.network.close();
    await membership?.coordinator.stop();
    await this.#joining;
    this.#client.close();
  }
}
